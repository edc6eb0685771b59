# UPerNet with a simple feature pyramid on ADE20K, any trunk whose last map has stride 8, 16 or 32: the protocol for
# plain vision transformers beside linear_ade20k.py.
#
#   python tools/transfer_seg.py seg_configs/upernet_simple_fpn_ade20k.py --backbone random:timm:vit_base_patch16_224 \
#       --data ADEChallengeData2016 --out RUN
#
# The pyramid is ViTDet's (Li et al. 2022, arXiv 2203.16527); the optimizer mmsegmentation's for a ViT-B
# (mae-base_upernet_8xb2-amp-160k_ade20k-512x512): AdamW 1e-4 at a total batch of 16, weight decay 0.05, layer-wise
# decay 0.65. All else is as in upernet_adamw_ade20k.py. Known differences: theirs makes its levels out of four blocks'
# maps, without convolutions; no drop path, which --cfg-options model.backbone.drop_path=0.1 brings.
_base_ = "./upernet_adamw_ade20k.py"
custom_imports = dict(
    imports=[
        "transfer.segmentation_metric",
        "transfer.openmmlab.modules.layer_decay",
        "transfer.openmmlab.modules.simple_feature_pyramid",
    ]
)

model = dict(
    backbone=dict(out_indices="last"),
    neck=dict(type="SimpleFeaturePyramid", out_channels=256),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.65))
