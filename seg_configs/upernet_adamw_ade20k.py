# UPerNet on ADE20K, trained with AdamW and layer-wise decay: for ConvNeXt, Swin and other networks that were pretrained
# with AdamW. One comparison holds one protocol: its rows all train so.
#
#   python tools/transfer_seg.py seg_configs/upernet_adamw_ade20k.py \
#       --backbone BUNDLE --data ADEChallengeData2016 --out RUN
#
# Optimizer and schedule are mmsegmentation's for ConvNeXt-T (convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512): AdamW
# 1e-4 at a total batch of 16, weight decay 0.05, decay 0.9 from stage to stage, 1500 iterations of warmup from a
# millionth, linear decay to 0 over 160,000 iterations. All else is as in upernet_ade20k.py. Known differences: whole
# images in tests and no sliding window; no drop path, which --cfg-options model.backbone.drop_path=0.4 brings to
# networks of timm.
_base_ = "./upernet_ade20k.py"
custom_imports = dict(imports=["transfer.segmentation_metric", "transfer.openmmlab.modules.layer_decay"])

max_iters = 160000
optim_wrapper = dict(
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.9),
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=1500, end=max_iters, by_epoch=False),
]
