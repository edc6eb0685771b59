# FCN at output stride 8 on your own index PNGs at 320x240, on a CPU.
#
#   python tools/transfer_seg.py seg_configs/fcn_os8_index_png.py --backbone BUNDLE --data DIR --out RUN
#
# DIR/{images,annotations,train.txt,val.txt,classes.txt}: JPEG images, PNG label maps of the same stem with classes from
# 0 and 255 for "ignore", the stems of both splits, and the names of the classes, one per line.
_base_ = "./fcn_os8_ade20k.py"

default_classes = False  # nobody's own labels mean ADE20K's 150 classes

crop_size = (224, 224)
train_images = None  # as many as the data have
base_batch_size = 8
max_iters = 600
model = dict(data_preprocessor=dict(size=crop_size))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=(240 * 8, 240), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=1.0),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (240 * 8, 240)
multi_scale = False  # it would take a CPU longer than most trainings; --cfg-options multi_scale=True
shorter_sides = [round(240 * scale) for scale in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(type="Resize", scale=(side * 8, side), keep_ratio=True) for side in shorter_sides]
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        ann_file="train.txt",
        data_prefix=dict(img_path="images", seg_map_path="annotations"),
        reduce_zero_label=False,
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    num_workers=1,
    dataset=dict(
        ann_file="val.txt",
        data_prefix=dict(img_path="images", seg_map_path="annotations"),
        reduce_zero_label=False,
        pipeline=test_pipeline,
    ),
)
train_cfg = dict(max_iters=max_iters)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=100))
