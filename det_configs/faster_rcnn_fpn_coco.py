# Faster R-CNN with FPN on COCO, any trunk; or on your own boxes, in COCO's JSON or any other format (docs/data.md).
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_coco.py --backbone BUNDLE --data coco --out RUN
#
# The settings are mmdetection's "1x": 12 epochs, learning rate 0.02 at a total batch of 16 after 500 iterations of
# warmup, divided by 10 after epochs 8 and 11, images 1333x800; only the backbone is ours. mmdetection's published
# ResNet-50 has 37.4 AP. What is measured is DetectionMetric's: COCO's three averages over objects of all sizes, of the
# same detections that VOC's two are of. Boxes with a side below one
# pixel are not to be found here; COCO's own evaluation has them.
# Left open here, because they come from elsewhere: num_classes (the data), mean/std/channel order and the neck's
# in_channels (the bundle).
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["transfer.detection_metric"])

# Nobody's own boxes are of VOC's classes: the names are those of the data.
default_classes = False
model = dict(
    data_preprocessor=dict(_delete_=True, type="DetDataPreprocessor", pad_size_divisor=32),
    backbone=dict(
        _delete_=True,
        type="BundleTrunk",
        bundle="",
        frozen_stages=1,  # mmdetection's base model: the stem and the first stage keep their pretrained weights
        norm_eval=True,  # and BatchNorm its pretrained statistics, since 2 images per GPU estimate none
    ),
)

base_batch_size = 16  # images to an update: 2 on each of 8 GPUs in the base file, whose own statement gives way
train_dataloader = dict(
    batch_size=None,
    dataset=dict(
        _delete_=True,
        type="SceneDataset",
        data_root="data/coco",
        split="train",
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=_base_.train_pipeline,
    ),
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="SceneDataset",
        data_root="data/coco",
        split="val",
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
# Evaluated once, at the end.
val_dataloader = None
val_cfg = None
val_evaluator = None
test_evaluator = dict(_delete_=True, type="DetectionMetric")
default_hooks = dict(checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=2))
