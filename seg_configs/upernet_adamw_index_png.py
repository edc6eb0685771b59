# UPerNet with AdamW and layer-wise decay on your own index PNGs at 320x240, on a CPU.
#
#   python tools/transfer_seg.py seg_configs/upernet_adamw_index_png.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images, heads and length as in upernet_index_png.py; the optimizer of upernet_adamw_ade20k.py at twice its
# learning rate, because the schedule is short, and a warmup of 50 iterations.
_base_ = "./upernet_index_png.py"
custom_imports = dict(imports=["transfer.segmentation_metric", "transfer.openmmlab.modules.layer_decay"])

max_iters = 600
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    constructor="LayerDecayConstructor",
    paramwise_cfg=dict(layer_decay=0.9),
    optimizer=dict(type="AdamW", lr=2e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=50, end=max_iters, by_epoch=False),
]
