# Faster R-CNN on the third stage's map ("C4") on Pascal VOC: VOC07 + VOC12 trainval -> VOC07 test, any trunk.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_c4_voc0712.py --backbone BUNDLE --data VOCdevkit --out RUN
#
# The family behind the paper's Table 8: proposals and regions come from the map at stride 16, and the trunk's last
# stage, with its pretrained weights, is the head of all regions. The paper (Section 6.1) states the data, "linear
# warmup" and "long training schedule"; it gives no number. Where nothing else is said, the numbers are GluonCV's, the
# authors' own toolkit; "Detectron" marks what the paper's words point at and GluonCV's VOC recipe leaves out. The code
# is mmdetection's: how losses are averaged, heads initialised and images of a batch grouped by shape is its own.
# Objects marked as difficult are none in training, as in Fast R-CNN's own code: regions on them count as background.
# GluonCV's loader keeps them among the objects, and its trainer does not ask. GluonCV's own result, with ResNet-50-B,
# 20 epochs and no warmup, is 78.3 (11-point).
# Left open here, because they come from elsewhere: num_classes (the list of classes), mean/std/channel order and all
# in_channels (the bundle), and the weights of both parts of the trunk.
default_scope = "mmdet"
custom_imports = dict(imports=["transfer.detection_metric"])

model = dict(
    type="FasterRCNN",
    data_preprocessor=dict(type="DetDataPreprocessor", pad_size_divisor=32),
    # Stem and first stage keep their weights; BatchNorm, everywhere in the trunk, its statistics, gamma and beta. The
    # last stage is held alike.
    backbone=dict(
        type="BundleTrunk",
        bundle="",
        stages=3,
        out_indices=(2,),
        frozen_stages=1,
        norm_eval=True,
        norm_frozen=True,
    ),
    rpn_head=dict(
        type="RPNHead",
        feat_channels=1024,
        # Side of a square anchor = stride x scale: 32 to 512 pixels.
        anchor_generator=dict(type="AnchorGenerator", scales=[2, 4, 8, 16, 32], ratios=[0.5, 1.0, 2.0], strides=[16]),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[1.0] * 4),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0),
    ),
    roi_head=dict(
        type="StandardRoIHead",
        # Half a pixel's shift of the samples ("aligned") is mmdetection's default; GluonCV had none.
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2),
            featmap_strides=[16],
        ),
        shared_head=dict(type="BundleStage"),
        # Global average of the last stage's 7 x 7, then one fully connected layer each for class and box.
        bbox_head=dict(
            type="BBoxHead",
            with_avg_pool=True,
            roi_feat_size=7,
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,  # mmdetection's: an object's best anchor counts from here, GluonCV's always
                match_low_quality=True,
                ignore_iof_thr=-1,  # no region is left out for lying on a difficult object
            ),
            sampler=dict(type="RandomSampler", num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False),
            allowed_border=0,  # anchors that cross the image's border are left out, as in GluonCV
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(nms_pre=12000, max_per_img=2000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=16),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,  # as above
            ),
            sampler=dict(type="RandomSampler", num=128, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=300, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=16),
        # GluonCV keeps 400 per class, which 300 proposals never reach; here it is 400 per image.
        rcnn=dict(score_thr=1e-4, nms=dict(type="nms", iou_threshold=0.3), max_per_img=400),
    ),
)

# Shorter side 600, longer side at most 1000.
image_scale = (1000, 600)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
# The boxes of the test set stay those of the file: the image is resized first.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
data_root = "data/VOCdevkit/"
# 4 images to an update at learning rate 0.001: 1 on each of 4 GPUs in GluonCV. BatchNorm is frozen, so one GPU does the
# same.
base_batch_size = 4
train_dataloader = dict(
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type="ConcatDataset",
        ignore_keys=["dataset_type"],  # each year has its own, which would be a contradiction
        datasets=[
            dict(
                type="VOCDataset",
                data_root=data_root,
                ann_file=f"{year}/ImageSets/Main/trainval.txt",
                data_prefix=dict(sub_data_root=f"{year}/"),
                filter_cfg=dict(filter_empty_gt=True),
                pipeline=train_pipeline,
            )
            for year in ("VOC2007", "VOC2012")
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VOCDataset",
        data_root=data_root,
        ann_file="VOC2007/ImageSets/Main/test.txt",
        data_prefix=dict(sub_data_root="VOC2007/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type="DetectionMetric")
test_cfg = dict(type="TestLoop")

# The long schedule: GluonCV's 20 epochs of the joined sets, where mmdetection's protocol has 12. Evaluated once, at the
# end: the best epoch on the test set would be a choice by the test set.
max_epochs = 20
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=0.0005))
param_scheduler = [
    # Detectron's warmup: 500 iterations, from a third of the learning rate.
    dict(type="LinearLR", start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=max_epochs, milestones=[14], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=2))
