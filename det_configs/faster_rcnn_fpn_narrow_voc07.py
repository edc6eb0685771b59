# Faster R-CNN with a narrow FPN, VOC07 trainval -> VOC07 test at 320x240: the instrument of a study on CPUs.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_narrow_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# As faster_rcnn_fpn_adamw_voc07.py, with half its channels in pyramid and RPN, half its units in the box head and half
# its epochs: what a core computes is then mostly the trunk, which is what a study compares, and AdamW has in three
# epochs what SGD has in six (docs/results/README.md). Eight images to an update are what BatchNorm takes its
# statistics from.
_base_ = "./faster_rcnn_fpn_adamw_voc07.py"

max_epochs = 3
model = dict(
    neck=dict(out_channels=128),
    rpn_head=dict(in_channels=128, feat_channels=128),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=128),
        bbox_head=dict(in_channels=128, fc_out_channels=512),
    ),
)
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
