"""From what a user asks to what is run: every open value settled, every contradiction refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch

from backbones.bundles.contract import LARGEST_SIDE
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.folder_parts import open_parts
from backbones.data.folders.image_folder import ImageFolder
from backbones.data.sampling import check_shares, count_steps
from backbones.errors import UserError
from backbones.machine.distributed import World
from backbones.machine.precision import precision_for, resolve_device
from backbones.machine.versions import hardware, package_versions
from backbones.models import TIMM_PREFIX, default_image_size, initialisation
from backbones.monitoring.trackers import check_trackers
from backbones.recipes.plugin import check_origin, load_plugin
from backbones.recipes.recipe import Recipe
from backbones.recipes.recipe_file import chosen_recipe
from backbones.recipes.schedule import Schedule, peak_learning_rate, resolve_schedule
from backbones.recipes.switches import needs_teacher, switch, tricks_with
from backbones.runs.fingerprint import recorded_code
from backbones.training.request import ClassificationRequest

DESCRIPTIVE = ("name", "summary")  # of a recipe; a better wording does not make another run
SETTLED = ("low_precision", "color")  # of a recipe; recorded as what they came to: "precision" and "color"
VERSIONED = ("torch", "torchvision", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class Training:
    """What a request means on any machine. ``image_size`` in pixels, ``batch_size`` over all processes.

    ``plugin`` is the SHA-256 of the request's.
    """

    request: ClassificationRequest
    recipe: Recipe
    data: ImageFolder
    epochs: int
    batch_size: int
    image_size: int
    color: str
    steps_per_epoch: int
    schedule: Schedule
    learning_rate_rule: str
    plugin: str | None

    def settings(self) -> dict[str, Any]:
        """What ``run.json`` records of it besides network, recipe, seed and data."""
        request = self.request
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "image_size": self.image_size,
            "color": self.color,
            "learning_rate": self.learning_rate_rule,
            "auxiliary": request.auxiliary,
            "ema": request.ema,
            "clip": request.clip,
            "sync_bn": request.sync_bn,
            "schedule": asdict(self.schedule),
            "recipe": self._recipe(),
            **({"plugin": self.plugin} if self.plugin else {}),
            **({"drop_path": request.drop_path} if request.drop_path else {}),
        }

    def _recipe(self) -> dict[str, Any]:
        values = {key: value for key, value in asdict(self.recipe).items() if key not in DESCRIPTIVE + SETTLED}
        if not values["tricks"]:  # runs from before there were any resume
            del values["tricks"]
        return values


@dataclass(frozen=True)
class Plan(Training):
    """A request with every open value settled."""

    world: World
    device: torch.device
    precision: str

    @property
    def parts(self) -> int:
        """Parts that a batch is cut into, over all processes; BatchNorm sees one at a time."""
        return self.world.size * self.request.accumulate

    @property
    def batch_norm_images(self) -> int:
        """Images that BatchNorm takes its statistics from."""
        return self.batch_size // self.parts * (self.world.size if self.request.sync_bn else 1)


def settle(request: ClassificationRequest, world: World) -> Plan:
    """Settle every open value of a request. Several processes settle it together, and end with one error.

    Raises:
        UserError: Something about the request or the data is wrong; the message says what.
    """
    recipe, device, precision = world.on_all_ranks(lambda: settle_machine(request, world))
    data = world.on_rank_zero(lambda: open_parts(request.data, held_out(request), request.fraction))
    training = world.on_all_ranks(lambda: settle_training(request, recipe, data))
    return Plan(**vars(training), world=world, device=device, precision=precision)


def held_out(request: ClassificationRequest) -> HeldOut | None:
    """The part of the training images that a request has measured on.

    Raises:
        UserError: A seed of a split without a split.
    """
    if request.split is None and request.split_seed:
        raise UserError("--split-seed is of use with --split alone")
    return None if request.split is None else HeldOut(request.split, request.split_seed)


def settle_machine(request: ClassificationRequest, world: World) -> tuple[Recipe, torch.device, str]:
    """The recipe with its tricks switched, and the device and the precision that it is trained in here.

    Raises:
        UserError: Options contradict each other, or this machine cannot do what they ask for.
    """
    plugin = load_plugin(request.plugin) if request.plugin else None
    recipe = switch(chosen_recipe(request.recipe), request.switched_on, request.switched_off)
    check_origin(request.recipe, recipe, plugin)
    _check_teacher(request, recipe)
    check_trackers(request.tensorboard, request.wandb)
    device = resolve_device(request.device)
    if world.size > 1 and device.type == "cuda":
        device = torch.device("cuda", world.local_rank)
    precision = precision_for(recipe.low_precision, request.precision, device)
    _check_parts(recipe.batch_size if request.batch_size is None else request.batch_size, request, world)
    if request.sync_bn and (device.type == "cpu" or world.size == 1):
        raise UserError("--sync-bn needs several GPUs: torchrun --nproc-per-node N tools/train_cls.py ...")
    return recipe, device, precision


def settle_training(request: ClassificationRequest, recipe: Recipe, data: ImageFolder) -> Training:
    """Settle what does not depend on the machine.

    Raises:
        UserError: Unknown network, images larger than a bundle can state, or batches that are larger than the data set.
    """
    batch_size = recipe.batch_size if request.batch_size is None else request.batch_size
    epochs = recipe.epochs if request.epochs is None else request.epochs
    image_size = default_image_size(request.network) if request.image_size is None else request.image_size
    if image_size > LARGEST_SIDE:
        raise UserError(f"--image-size {image_size}: the input contract of a bundle goes to {LARGEST_SIDE} pixels")
    if request.batch_size is None and batch_size > len(data.train):
        raise UserError(
            f"the training set has only {len(data.train)} images, fewer than the recipe's batch: {recipe.name} has "
            f"{batch_size} images to a batch; give a smaller one, --batch-size {len(data.train)} or less"
        )
    steps_per_epoch = count_steps(len(data.train), batch_size)
    peak, rule = peak_learning_rate(recipe, batch_size, request.learning_rate)
    return Training(
        request=request,
        recipe=recipe,
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        image_size=image_size,
        color=recipe.color if request.color is None else request.color,
        steps_per_epoch=steps_per_epoch,
        schedule=resolve_schedule(recipe, epochs, steps_per_epoch, peak),
        learning_rate_rule=rule,
        plugin=load_plugin(request.plugin) if request.plugin else None,
    )


def _check_teacher(request: ClassificationRequest, recipe: Recipe) -> None:
    if needs_teacher(recipe) and not request.teachers:
        raise UserError(
            f"{recipe.name} distils and has no teacher: give --teacher RUN_OR_BUNDLE, or --without distillation"
        )
    if request.teachers and not needs_teacher(recipe):
        raise UserError(f"--teacher: {recipe.name} does not distil; add --with distillation, or take --teacher away")
    learning = [trick for trick, _ in tricks_with(recipe, "needs_teacher")]
    if len(request.teachers) > 1 and not all(trick.several_teachers for trick in learning):
        raise UserError(
            f"--teacher: {recipe.name} learns from one teacher, and {len(request.teachers)} are given; give one (a "
            "trick that takes the logits of several says several_teachers=True)"
        )


def _check_parts(batch_size: int, request: ClassificationRequest, world: World) -> None:
    parts = world.size * request.accumulate
    check_shares(batch_size, world.size, request.accumulate)
    if batch_size // parts < 2:
        raise UserError(f"--batch-size {batch_size} in {parts} parts: BatchNorm needs two images or more in each")


def asked(plan: Plan) -> dict[str, Any]:
    """What ``run.json`` says: everything that decides the outcome, and where it ran."""
    request, data = plan.request, plan.data
    measured = {"image_size": plan.image_size, "fingerprint": data.fingerprint}
    of_timm = request.network.startswith(TIMM_PREFIX)
    return {
        "task": "classification",
        "network": request.network,
        "recipe": plan.recipe.name,
        "seed": request.seed,
        "protocol": f"{plan.image_size} px, one central crop",
        "config_hash": hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()[:12],
        "settings": {
            **plan.settings(),
            "parts": plan.parts,
            "batch_norm_images": plan.batch_norm_images,
            "precision": plan.precision,
            **({"initialisation": initialisation(request.network)} if of_timm else {}),
        },
        "data": {
            "root": str(data.root.resolve()),
            "fingerprint": data.fingerprint,
            "classes": len(data.classes),
            "train_images": len(data.train),
            "val_images": len(data.val),
            **({"layout": data.layout, "measured": data.measured} if data.layout else {}),
            **({} if request.split is None else {"split": {"share": request.split, "seed": request.split_seed}}),
            **({} if request.fraction is None else {"fraction": request.fraction}),
        },
        "versions": package_versions((*VERSIONED, "timm") if of_timm else VERSIONED),
        "code": recorded_code("tools/train_cls.py"),
        "hardware": {**hardware(plan.device), "workers": request.workers, "processes": plan.world.size},
    }
