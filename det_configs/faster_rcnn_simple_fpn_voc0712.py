# Faster R-CNN with a simple feature pyramid on Pascal VOC, any trunk whose last map has a stride of 8 to 32: the
# protocol for plain vision transformers.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_simple_fpn_voc0712.py \
#       --backbone random:timm:vit_base_patch16_224 --data VOCdevkit --out RUN
#
# Pyramid and optimizer are ViTDet's (Li et al. 2022, arXiv 2203.16527, Section 3 and Appendix A.2): four maps out of
# the last one, AdamW with weight decay 0.1, layer-wise decay 0.7, 250 iterations of warmup, 1e-4 at a total batch of
# 64, which is 2.5e-5 at this one of 16. Data, images and epochs are those of faster_rcnn_fpn_voc0712.py. Known
# differences: attention is global in every block, where ViTDet has windows in most; no large-scale jitter; RPN and box
# head are the standard ones; no drop path, which --cfg-options model.backbone.drop_path=0.1 brings.
_base_ = "./faster_rcnn_fpn_voc0712.py"
custom_imports = dict(
    imports=[
        "transfer.detection_metric",
        "transfer.openmmlab.modules.layer_decay",
        "transfer.openmmlab.modules.simple_feature_pyramid",
    ]
)

model = dict(
    backbone=dict(frozen_stages=-1, out_indices="last"),
    neck=dict(_delete_=True, type="SimpleFeaturePyramid", out_channels=256, num_outs=5),
)
optim_wrapper = dict(
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.7),
    optimizer=dict(_delete_=True, type="AdamW", lr=2.5e-5, betas=(0.9, 0.999), weight_decay=0.1),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=250),
    *_base_.param_scheduler,
]
