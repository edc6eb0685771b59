# Faster R-CNN with FPN, AdamW and layer-wise decay, VOC07 trainval -> VOC07 test at 320x240: for a subset, or your own
# data, on a CPU.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_adamw_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images, schedule and total batch as in faster_rcnn_fpn_voc07.py; the optimizer of
# faster_rcnn_fpn_adamw_voc0712.py at twice its learning rate, because the schedule is short.
_base_ = "./faster_rcnn_fpn_voc07.py"
custom_imports = dict(imports=["transfer.detection_metric", "transfer.openmmlab.modules.layer_decay"])

optim_wrapper = dict(
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.95),
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
