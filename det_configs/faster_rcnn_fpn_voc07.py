# Faster R-CNN with FPN, VOC07 trainval -> VOC07 test at 320x240: for a subset, or your own data, on a CPU.
#
#   python tools/transfer_det.py det_configs/faster_rcnn_fpn_voc07.py --backbone BUNDLE --data DIR --out RUN
#
# Your own data: DIR/VOC2007/{JPEGImages,Annotations,ImageSets/Main/{trainval,test}.txt} with VOC's XML, and the
# names of your classes, one per line, in DIR/classes.txt or behind --classes.
# A random trunk has no statistics to keep and no first stage worth freezing, so here everything trains and BatchNorm
# estimates its own statistics: the row without pretraining gets a fair chance.
_base_ = "./faster_rcnn_fpn_voc0712.py"

model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=500, max_per_img=300),
        rcnn=dict(sampler=dict(num=128)),  # as in the Faster R-CNN paper; half the images' area needs no 512
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300)),
)
image_scale = (320, 240)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
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
# Evaluated once, at the end.
val_dataloader = None
val_cfg = None
val_evaluator = None
train_cfg = dict(_delete_=True, type="EpochBasedTrainLoop", max_epochs=max_epochs)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=10),  # a random trunk's first steps are large
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
