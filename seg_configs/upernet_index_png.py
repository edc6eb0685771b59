# UPerNet on your own index PNGs at 320x240, on a CPU: any trunk with maps at strides 4, 8, 16 and 32.
#
#   python tools/transfer_seg.py seg_configs/upernet_index_png.py --backbone BUNDLE --data DIR --out RUN
#
# Data, images, schedule and learning rates as in fcn_os8_index_png.py; the heads of upernet_ade20k.py with a quarter of
# their channels.
_base_ = "./fcn_os8_index_png.py"

norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=32)),
    backbone=dict(output_stride=32),
    decode_head=dict(
        _delete_=True,
        type="UPerHead",
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=128,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(channels=64, loss_decode=dict(loss_weight=0.4)),
)
