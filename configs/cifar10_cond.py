"""CIFAR-10, the network told the class: configs/cifar10.py for guidance by its own classes.

One run:    python main.py --config=configs/cifar10_cond.py --workdir=/data/cifar10_cond
Guided:     ... --mode=sample --config.sample.guidance=classifier_free
One minute: ... --config=configs/cifar10_cond.py:smoke

A tenth of the training examples go without their class (Ho & Salimans 2022, arXiv:2207.12598,
table 1, find 0.1 and 0.2 about as good and 0.5 worse). Reached: not run here.
"""

import ml_collections

from configs import cifar10, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = cifar10.get_config()
    c.model.update(class_conditional=True, label_dropout=0.1)
    c.sample.guidance = "classifier_free"
    c.sample.classifier_free.update(scale=1.3)
    return smoke.shrunk(c) if variant == "smoke" else c
