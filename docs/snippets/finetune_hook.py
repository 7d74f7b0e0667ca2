from pathlib import Path

import carseg
from carseg.training import Hook, LogRow, Step


class Lines(Hook):
    def on_step(self, step: Step) -> None:
        if step.number % 10 == 0:
            print(f"{step.done:.0%}, loss {step.loss:.3f}")

    def on_epoch(self, row: LogRow) -> None:
        print(f"epoch {row['epoch']:.0f}: mIoU {row['val_miou']:.3f}")

    def on_end(self, run: Path) -> None:
        print(f"done, see {run / 'report.html'}")


config = carseg.TrainingConfig(epochs=2)
carseg.finetune("fpn-mobilenetv2-carparts", "labelled", "runs/told", config=config, hooks=[Lines()])
