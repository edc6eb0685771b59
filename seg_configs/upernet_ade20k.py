# UPerNet on ADE20K, any trunk with maps at strides 4, 8, 16 and 32: no dilation, so it takes ConvNeXt and Swin, too.
#
#   python tools/transfer_seg.py seg_configs/upernet_ade20k.py --backbone BUNDLE --data ADEChallengeData2016 --out RUN
#
# Head and schedule are mmsegmentation's for UPerNet with a ResNet-50 (upernet_r50_4xb4-160k_ade20k-512x512, that is
# upernet_r50.py, ade20k.py, schedule_160k.py): UPerHead (Xiao et al. 2018, arXiv 1807.10221) of 512 channels, auxiliary
# FCN of 256 on the third map with weight 0.4, shorter side 512 x [0.5, 2], crop 512, photometric distortion, batch 16,
# SGD 0.01 with momentum 0.9 and weight decay 5e-4, polynomial decay to 1e-4 over 160,000 iterations. mmsegmentation
# estimates BatchNorm over all GPUs, as here.
# Left open here, because they come from elsewhere: num_classes (the list of classes), mean/std/channel order and the
# heads' in_channels (the bundle).
_base_ = "./fcn_os8_ade20k.py"

crop_size = (512, 512)
max_iters = 160000
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    # Tests are of whole images, filled up to what windows and patches of any network fit into.
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size_divisor=32)),
    backbone=dict(output_stride=32),
    decode_head=dict(
        _delete_=True,
        type="UPerHead",
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(channels=256, loss_decode=dict(loss_weight=0.4)),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(2048, 512), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
multi_scale = False  # --cfg-options multi_scale=True: mmsegmentation's six scales, each with its mirror image
scales = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(type="Resize", scale=(round(2048 * scale), round(512 * scale)), keep_ratio=True) for scale in scales
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0005),
)
param_scheduler = [dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=max_iters, by_epoch=False)]
