# A linear decoder on your own index PNGs at 320x240, on a CPU, trained with the network: any trunk.
#
#   python tools/transfer_seg.py seg_configs/linear_index_png.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images and length as in upernet_index_png.py; decoder and optimizer of linear_ade20k.py at five times its
# learning rate, because the schedule is short.
_base_ = "./upernet_index_png.py"
custom_imports = dict(imports=["transfer.segmentation_metric", "transfer.openmmlab.modules.linear_head"])

model = dict(
    backbone=dict(out_indices="last"),
    decode_head=dict(
        _delete_=True,
        type="LinearHead",
        in_index=0,
        dropout_ratio=0,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=None,
)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=5e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
