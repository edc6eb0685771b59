# UPerNet with a simple feature pyramid on your own index PNGs at 320x240, on a CPU: any trunk whose last map has stride
# 8, 16 or 32, plain vision transformers among them.
#
#   python tools/transfer_seg.py seg_configs/upernet_simple_fpn_index_png.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images, heads, length and learning rate as in upernet_adamw_index_png.py; pyramid and layer-wise decay of
# upernet_simple_fpn_ade20k.py, with half the channels.
_base_ = "./upernet_adamw_index_png.py"
custom_imports = dict(
    imports=[
        "transfer.segmentation_metric",
        "transfer.openmmlab.modules.layer_decay",
        "transfer.openmmlab.modules.simple_feature_pyramid",
    ]
)

model = dict(
    backbone=dict(out_indices="last"),
    neck=dict(type="SimpleFeaturePyramid", out_channels=128),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.65))
