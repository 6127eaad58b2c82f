"""GTrans's presets, and levels that do not go together."""

import pytest

from blemish.errors import ConfigError
from blemish.models.gtrans.config import GTransConfig
from blemish.training.config import RunConfig, build_config


def preset(name: str, *assignments: str) -> RunConfig:
    return build_config(assignments=assignments, values={"method": "gtrans", "preset": name})


def test_the_preset_paper_has_the_papers_values() -> None:
    config = preset("paper")
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (300, 32, 1e-3)
    assert (training.weight_decay, training.lr_decay, training.validation_share) == (1e-4, 0.9, 0.2)
    assert (training.adam_betas, training.schedule, training.select) == ((0.9, 0.999), "exponential", "best")
    assert (config.frame.resize, config.frame.crop) == (256, 224)
    model = config.model
    assert isinstance(model, GTransConfig) and model == GTransConfig()
    assert (model.layers, model.tokens, model.token_dim) == ((1, 2, 3), 8, 256)
    assert (model.tfm, model.tfm_depth) == ("encoder-decoder", 2)
    assert (model.alpha, model.alpha_lambda, model.combine, model.sigma) == ("harmonic", 0.1, "P6", 4.0)


def test_paper_fast_changes_the_papers_training_and_improved_the_model_too() -> None:
    fast, paper, improved = preset("paper-fast"), preset("paper"), preset("improved")
    assert (fast.model, fast.frame) == (paper.model, paper.frame)
    assert fast.training.epochs < paper.training.epochs
    assert fast.training.schedule == "one-cycle"
    epochs = {"epochs": improved.training.epochs}
    assert improved.training == fast.training.model_copy(update=epochs)
    assert improved.model != fast.model
    assert preset("improved", "model.tfm=none").model == improved.model.model_copy(update={"tfm": "none"})


def test_combinations_of_three_levels_need_three() -> None:
    for combine, layers in (("geometric", (2, 3)), ("P4", (1, 2, 3, 4)), ("P7", (1, 2, 3))):
        assert GTransConfig.model_validate({"combine": combine, "layers": layers}).layers == layers
    with pytest.raises(ConfigError, match='combine "P6" needs three layers; use "geometric" or "P4" with 2'):
        preset("paper", "model.layers=[2, 3]")
