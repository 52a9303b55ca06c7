"""A training resumed from a checkpoint: the callback goes on where the checkpoint was, with the same numbers."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_integrations import BATCH, FOREIGN, Kept, build_data, build_model, plain_record
from torch import Tensor, nn

from vanishlab import Record
from vanishlab.integrations.following import Follower
from vanishlab.recording.quantities import LAYER_QUANTITIES

CLOSELY = ("effective_rank", "gradient_coherence")  # looked at in the first recorded steps, resumed or not


def assert_goes_on(found: Record) -> None:
    """The record is that of the second half of an unbroken training."""
    expected = plain_record(2)[0].select(step=(3, 4, 5))
    assert found.step.tolist() == [3, 4, 5]
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)  # float32 means, added in another order
    for quantity in LAYER_QUANTITIES:
        if quantity not in CLOSELY:
            np.testing.assert_array_equal(getattr(found, quantity), getattr(expected, quantity), err_msg=quantity)


def test_a_follower_goes_on_once_from_where_it_is_told() -> None:
    follower, model = Follower(every=2), build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(steps: int) -> list[int]:
        follower.start(model, [optimizer])
        for _ in range(steps):
            optimizer.zero_grad()
            model(build_data()[0]).sum().backward()
            optimizer.step()
        follower.close()
        return follower.record.step.tolist()

    follower.resume_at(3)
    assert follower.steps == 3 and train(4) == [4, 6] and follower.steps == 7
    assert train(2) == [0] and follower.steps == 2  # another training, from the beginning


@FOREIGN
@pytest.mark.slow
def test_lightning_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    lightning: Any = importlib.import_module("lightning.pytorch")
    from vanishlab.integrations.lightning import GradientCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(epochs: int, checkpoint: Path | None = None) -> tuple[Any, Any, Kept]:
        board = Kept()
        callback = GradientCallback(1, board)
        options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
                   "enable_model_summary": False, "default_root_dir": tmp_path}  # fmt: skip
        trainer = lightning.Trainer(max_epochs=epochs, callbacks=[callback], **options)
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*build_data()), batch_size=BATCH)
        trainer.fit(Module(), loader, ckpt_path=checkpoint, **({"weights_only": False} if checkpoint else {}))
        return trainer, callback, board

    trainer, callback, _ = fit(1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    assert callback.state_dict() == {"steps": 3}
    _, resumed, board = fit(2, tmp_path / "one.ckpt")
    assert_goes_on(resumed.record)
    assert sorted(board.numbers) == [3, 4, 5] and resumed.state_dict() == {"steps": 6}


@FOREIGN
@pytest.mark.slow
def test_hugging_face_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    transformers: Any = importlib.import_module("transformers")
    from vanishlab.integrations.huggingface import GradientCallback

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def forward(self, x: Tensor, labels: Tensor) -> Any:
            logits = self.model(x)
            loss = nn.functional.cross_entropy(logits, labels)
            return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)  # pyright: ignore

    x, y = build_data()
    data: Any = [{"x": row, "labels": label} for row, label in zip(x, y, strict=True)]

    def fit(epochs: int, resume: bool) -> Any:
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path), num_train_epochs=epochs, per_device_train_batch_size=BATCH, learning_rate=0.1,
            lr_scheduler_type="constant", max_grad_norm=0.0, optim="sgd", use_cpu=True, report_to=[],
            save_strategy="epoch", disable_tqdm=True, logging_steps=1, seed=0, train_sampling_strategy="sequential",
        )  # fmt: skip
        with GradientCallback(1) as callback:
            trainer = transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=[callback])
            trainer.train(resume_from_checkpoint=resume)
        return callback.record

    assert fit(1, resume=False).step.tolist() == [0, 1, 2]
    assert_goes_on(fit(2, resume=True))
