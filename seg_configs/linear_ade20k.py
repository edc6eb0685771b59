# A linear decoder on ADE20K, trained with the network: any trunk, plain vision transformers above all.
#
#   python tools/transfer_seg.py seg_configs/linear_ade20k.py --backbone random:timm:vit_base_patch16_224 \
#       --data ADEChallengeData2016 --out RUN
#
# LayerNorm and one linear layer on the last map, as benchmark-vfm-ss (Kerssies et al. 2024, arXiv 2404.12172) has it:
# in its trials this ranks networks as Mask2Former does, at a thirteenth of the training time, and training the decoder
# alone does not. Its settings: AdamW 1e-4 with weight decay 0.05, a tenth of that rate for the network, polynomial
# decay 0.9 over 32 epochs, crop 512, scales 0.5 to 2, photometric distortion, batch 16. Known differences: whole images
# in tests and no windows of 512; scales are of the shorter side.
_base_ = "./upernet_ade20k.py"
custom_imports = dict(imports=["transfer.segmentation_metric", "transfer.openmmlab.modules.linear_head"])

max_iters = 32 * 20210 // 16  # 32 epochs
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
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters, by_epoch=False)]
