# FCN at output stride 8 with auxiliary head on ADE20K, any trunk.
#
#   python tools/transfer_seg.py seg_configs/fcn_os8_ade20k.py --backbone BUNDLE --data ADEChallengeData2016 --out RUN
#
# The settings are GluonCV's, the authors' own toolkit (the paper names none beyond "as in EncNet"): crop 480, shorter
# side 520 x [0.5, 2], batch 16, learning rate 0.01 with polynomial decay, heads ten times faster, weight decay 1e-4,
# 120 epochs, auxiliary loss 0.5. Known differences: no Gaussian blur of training images; what a crop has beyond the
# image is the mean colour (0 after normalisation), where theirs is black (0 before it); mmsegmentation's dropout takes
# whole channels. EncNet also rotates by up to 10 degrees; GluonCV's code does not, and nor does this.
# Left open here, because they come from elsewhere: num_classes (the list of classes), mean/std/channel order and the
# heads' in_channels and channels = in_channels / 4 (the bundle).
default_scope = "mmseg"
custom_imports = dict(imports=["transfer.segmentation_metric"])
# Without a classes.txt in the data, the benchmark's own 150 classes.
default_classes = True

crop_size = (480, 480)
train_images = 20210
base_batch_size = 16  # images to an update: 4 on each of 4 GPUs in GluonCV
max_iters = 120 * train_images // base_batch_size  # 120 epochs

# On several GPUs, BatchNorm takes its statistics from all of them, as in GluonCV's run (16 images); elsewhere it is a
# plain one. --accumulate gives it fewer images at once, and the comparison says so.
sync_bn = "torch"
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(type="SegDataPreProcessor", size=crop_size, pad_val=0, seg_pad_val=255),
    # Stages 3 and 4 (counted from 1) are dilated.
    backbone=dict(type="BundleTrunk", bundle="", output_stride=8),
    # 3x3 convolution to a quarter of the channels, BatchNorm, ReLU, dropout 0.1, 1x1 convolution.
    decode_head=dict(
        type="FCNHead",
        in_index=3,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_index=2,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.5),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    # mmcv fits an image into (long, short) edges: a long edge out of reach leaves the shorter side at 520 x ratio.
    dict(type="RandomResize", scale=(520 * 8, 520), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=1.0),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(520 * 8, 520), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
# One evaluation measures both protocols: single scale is test_pipeline; multi-scale averages the class probabilities of
# GluonCV's six scales (its v0.3 test.py), each with its mirror image. There the scales multiply a longer side of 520,
# seen through windows of 480; here, as in test_pipeline, a shorter side of 520, and the whole image is seen at once.
# 12 predictions per image, at about 17 times the cost of one: --cfg-options multi_scale=False leaves them out.
multi_scale = True
shorter_sides = [round(520 * scale) for scale in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)]
tta_model = dict(type="SegTTAModel")
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=(side * 8, side), keep_ratio=True) for side in shorter_sides],
            [dict(type="RandomFlip", prob=probability, direction="horizontal") for probability in (0.0, 1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="BaseSegDataset",
        data_root="data/ADEChallengeData2016",
        data_prefix=dict(img_path="images/training", seg_map_path="annotations/training"),
        reduce_zero_label=True,  # 0 is "unlabelled", classes start at 1
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="BaseSegDataset",
        data_root="data/ADEChallengeData2016",
        data_prefix=dict(img_path="images/validation", seg_map_path="annotations/validation"),
        reduce_zero_label=True,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type="SegmentationMetric")

train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters)
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, max_keep_ckpts=2),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False)
