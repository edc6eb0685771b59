"""The steps there are, in the order in which they are worth their time."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.gpu.step import Step

TESTS, SPEED, STUDY = "tests", "speed", "study"
PARTS = {TESTS: "Is it right?", SPEED: "How fast is it?", STUDY: "A study"}
_WORK = "benchmarks.gpu.steps"
STEPS: tuple[Step, ...] = (
    Step(
        "kernels",
        TESTS,
        "do NMS and RoIAlign of the bridge agree with the slow references, forward and backward, in all precisions",
        120,
        f"{_WORK}.marked_tests:KERNELS",
    ),
    Step(
        "precisions",
        TESTS,
        "does all train in fp16 with loss scaling (classifiers alone), bf16 and float32, in channels_last, and does a "
        "resumed run end with the same bits",
        240,
        f"{_WORK}.marked_tests:PRECISIONS",
    ),
    Step(
        "processes",
        TESTS,
        "do DistributedDataParallel and SyncBatchNorm work over NCCL, in one process",
        240,
        f"{_WORK}.marked_tests:PROCESSES",
    ),
    Step(
        "machine",
        TESTS,
        "is too little memory told in one line, does a suite give its runs GPUs, is energy read from the driver",
        180,
        f"{_WORK}.marked_tests:MACHINE",
    ),
    Step(
        "peak",
        SPEED,
        "what is the most that a product of large matrices and a copy reach here, beside the data sheet",
        30,
        f"{_WORK}.rates:peak",
    ),
    Step(
        "rates",
        SPEED,
        "images/s, share of the peak, and memory of ResNet-50-D's training step, images on the device already",
        240,
        f"{_WORK}.rates:ours",
    ),
    Step(
        "peers",
        SPEED,
        "the same of torchvision's ResNet-50 and timm's ResNet-50-D, in 16 bits and channels_last, and as they come",
        240,
        f"{_WORK}.rates:peers",
    ),
    Step(
        "compiled",
        SPEED,
        "the same of ours under torch.compile, with and without CUDA graphs, and how long the first step takes",
        420,
        f"{_WORK}.rates:compiled",
    ),
    Step(
        "loops",
        SPEED,
        "images/s of the whole loop of ResNet-50 from JPEG files of 500 x 375, beside torchvision's and timm's loops "
        "in 16 bits and channels_last, with as many loader processes",
        480,
        f"{_WORK}.whole_loops:measure",
    ),
    Step(
        "detector",
        SPEED,
        "images/s of Faster R-CNN, R50-FPN, 1000 x 600, beside mmdetection's own, as it is and with its own bf16",
        480,
        f"{_WORK}.openmmlab:detector",
    ),
    Step(
        "detector-c4",
        SPEED,
        "images/s of Faster R-CNN on C4, ResNet-50, 1000 x 600, by the paper's protocol",
        360,
        f"{_WORK}.openmmlab:detector_c4",
    ),
    Step(
        "segmentor",
        SPEED,
        "images/s of FCN, R50 at output stride 8, crop 512, beside mmsegmentation's own, as it is and with its bf16",
        480,
        f"{_WORK}.openmmlab:segmentor",
    ),
    Step(
        "data-wait",
        SPEED,
        "share of the time that ResNet-50-D waits for JPEG files of 500 x 375, with 4, 8 and 16 loader processes",
        480,
        f"{_WORK}.data_wait:files",
    ),
    Step(
        "data-wait-cache",
        SPEED,
        "the same for photographs of 1500 x 1125, and for the resize cache made of them",
        420,
        f"{_WORK}.data_wait:cache",
    ),
    Step(
        "study",
        STUDY,
        "the seven rows of Section 6 at 64 px with three seeds and both tasks (suites/section6-gpu-hour.yaml), in as "
        "many rounds as it takes",
        3600,
        f"{_WORK}.study:run",
    ),
)


def plan_lines(steps: Sequence[Step]) -> list[str]:
    """A line for each step, and their sum; the seconds are estimates."""
    lines = [f"{step.name:16} about {step.estimate:5} s  {step.asks}" for step in steps]
    return [*lines, f"{'together':16} about {sum(step.estimate for step in steps):5} s, by estimate"]
