# Faster R-CNN with a simple feature pyramid, VOC07 trainval -> VOC07 test at 320x240: for a subset, or your own data,
# on a CPU; any trunk whose last map has stride 8, 16 or 32, plain vision transformers among them.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_simple_fpn_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images, schedule and total batch as in faster_rcnn_fpn_voc07.py; pyramid and optimizer of
# faster_rcnn_simple_fpn_voc0712.py, with the learning rate of faster_rcnn_fpn_adamw_voc07.py and half the channels.
_base_ = "./faster_rcnn_fpn_voc07.py"
custom_imports = dict(
    imports=[
        "transfer.detection_metric",
        "transfer.openmmlab.modules.layer_decay",
        "transfer.openmmlab.modules.simple_feature_pyramid",
    ]
)

channels = 128
model = dict(
    backbone=dict(out_indices="last"),
    neck=dict(_delete_=True, type="SimpleFeaturePyramid", out_channels=channels, num_outs=5),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=channels), bbox_head=dict(in_channels=channels)),
)
optim_wrapper = dict(
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.7),
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, betas=(0.9, 0.999), weight_decay=0.1),
)
