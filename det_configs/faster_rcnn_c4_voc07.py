# Faster R-CNN on the third stage's map ("C4"), VOC07 trainval -> VOC07 test at 320x240: for a subset, or your own data,
# on a CPU.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_c4_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# Your own data: as in faster_rcnn_fpn_voc07.py. As there, everything trains and BatchNorm estimates its own statistics,
# in the last stage over all regions of a batch, so that the row without pretraining gets a fair chance.
_base_ = "./faster_rcnn_c4_voc0712.py"

model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, norm_frozen=False),
    # Images of 2/5 the size: anchors of 16 to 256 pixels, and the smallest proposal accordingly.
    rpn_head=dict(feat_channels=512, anchor_generator=dict(scales=[1, 2, 4, 8, 16])),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=1000, max_per_img=300, min_bbox_size=6),
        rcnn=dict(sampler=dict(num=64)),  # the last stage runs once per region, which is what takes the time
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=100, min_bbox_size=6), rcnn=dict(max_per_img=100)),
)
image_scale = (320, 240)
train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[2].scale = test_pipeline[1].scale = image_scale
max_epochs = 6
base_batch_size = 8
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        _delete_=True,
        type="VOCDataset",
        data_root="data/VOCdevkit/",
        ann_file="VOC2007/ImageSets/Main/trainval.txt",
        data_prefix=dict(sub_data_root="VOC2007/"),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_epochs=max_epochs)
# As in faster_rcnn_fpn_voc07.py.
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=0.0001), clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
