# The segmentation half of `make demo`: the shapes images at their own 128 pixels, about a minute on two CPU cores.
_base_ = "./fcn_os8_ade20k.py"

crop_size = (96, 96)
train_images = None  # as many as the data have
base_batch_size = 8
max_iters = 160
model = dict(data_preprocessor=dict(size=crop_size))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=1.0),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
multi_scale = False
scales = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(type="Resize", scale_factor=scale, keep_ratio=True) for scale in scales]
train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_iters=max_iters)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=60))
