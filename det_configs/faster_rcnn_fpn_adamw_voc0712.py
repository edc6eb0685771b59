# Faster R-CNN with FPN on Pascal VOC, trained with AdamW and layer-wise decay: for ConvNeXt, Swin and other networks
# that were pretrained with AdamW. One comparison holds one protocol: its rows all train so.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_adamw_voc0712.py \
#       --backbone BUNDLE --data VOCdevkit --out RUN
#
# Optimizer and warmup are mmdetection's for ConvNeXt (mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco: AdamW 1e-4 at
# a total batch of 16, weight decay 0.05, decay 0.95 from layer to layer, 1000 iterations of warmup from a thousandth);
# all else is as in faster_rcnn_fpn_voc0712.py. Known differences: the decay is by stages of the network
# (transfer/openmmlab/modules/layer_decay.py) and theirs by groups of ConvNeXt's blocks; everything trains; no drop
# path, which --cfg-options model.backbone.drop_path=0.4 brings to networks of timm.
_base_ = "./faster_rcnn_fpn_voc0712.py"
custom_imports = dict(imports=["transfer.detection_metric", "transfer.openmmlab.modules.layer_decay"])

model = dict(backbone=dict(frozen_stages=-1))
optim_wrapper = dict(
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.95),
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    *_base_.param_scheduler,
]
