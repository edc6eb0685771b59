# Faster R-CNN with a narrow FPN, VOC07 trainval -> VOC07 test at 320x240: detection as an instrument of a study on CPUs.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_narrow_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# As faster_rcnn_fpn_voc07.py, with half its channels in pyramid and RPN and half its units in the box head: what a core
# computes is then mostly the trunk, which is what a study compares. Eight images to an update are what BatchNorm takes
# its statistics from.
_base_ = "./faster_rcnn_fpn_voc07.py"

model = dict(
    neck=dict(out_channels=128),
    rpn_head=dict(in_channels=128, feat_channels=128),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=128),
        bbox_head=dict(in_channels=128, fc_out_channels=512),
    ),
)
