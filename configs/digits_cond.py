"""scikit-learn's 8x8 digits, the network told which digit: for guidance by its own classes.

One run:    python main.py --config=configs/digits_cond.py --workdir=runs/digits_cond
Guided:     ... --mode=sample --config.sample.guidance=classifier_free
One minute: ... --config=configs/digits_cond.py:smoke

configs/digits.py with the class, which a tenth of the training examples go without, so that
the same network knows p(x) beside p(x | class).

Reached: 1.799 bits per dim on the test digits, told their class (s.e. 0.005 over draws, 0.013
over images), where configs/digits.py has 1.864 after as many steps.
"""

import ml_collections

from configs import digits, smoke


def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    smoke.check_variant(variant)
    c = digits.get_config()
    c.model.update(class_conditional=True, label_dropout=0.1)
    return smoke.shrunk(c) if variant == "smoke" else c
