"""What checkpoints hold beside the network: the names that people's training scripts and libraries give it.

All of it is by name. What is not in these tables is no part of a network that anybody is known to save, and is refused.
"""

from __future__ import annotations

# The last word before a network's names. Where a network is trained without labels, what stands in place of its head is
# a projection: of MoCo (encoder_q, encoder_k), MoCo v3 and SimSiam (base_encoder, encoder), BYOL (online_encoder).
TRAINED_WITHOUT_LABELS = (
    *("encoder_q", "encoder_k", "base_encoder", "momentum_encoder", "online_encoder", "target_encoder"),
    *("online_network", "target_network", "target_net", "backbone_momentum", "momentum_backbone"),
)
# Averages of a network that its own script keeps to compute targets with, and does not offer as its result: MoCo, MoCo
# v3, BYOL, solo-learn, lightly, OpenMMLab. (That of DINO, the teacher, is offered, so it has to be asked for.)
MOMENTUM_COPIES = (
    *("encoder_k", "momentum_encoder", "target_encoder", "target_network", "target_net"),
    *("momentum_backbone", "backbone_momentum"),
)
# What stands beside the network or in it, as its names begin.
PROJECTION_HEADS = (
    *("projector", "projection_head", "projection", "momentum_projector", "projection_head_momentum"),
    *("online_projector", "target_projector", "student_projection_head", "teacher_projection_head"),
    *("predictor", "prediction_head", "momentum_predictor", "online_predictor", "prototypes", "neck"),
    *("head.mlp", "head.last_layer", "head.predictor", "student_head", "teacher_head"),
)
QUEUES = ("queue", "queue_ptr")
# Where a classifier's last layer is when it is not in the network, beside which it then stands: OpenMMLab first.
HEADS = ("head.fc.", "classifier.", "fc.", "head.", "linear.")

DROPPED_PROJECTION = "dropped: projection head"
DROPPED_QUEUE = "dropped: queue of negatives"
DROPPED_COPY = "dropped: another copy of the network"
DROPPED_MOMENTUM = "dropped: momentum copy of the network"
DROPPED_UNASKED = "dropped: not under --key"
BESIDE = {**dict.fromkeys(PROJECTION_HEADS, DROPPED_PROJECTION), **dict.fromkeys(QUEUES, DROPPED_QUEUE)}
