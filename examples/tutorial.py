"""The classic Keras tutorial of transfer learning, corrected: ``python examples/tutorial.py``.

VGG16 without its top, five classes, rotation by 20 degrees, shifts by 0.2, horizontal flip; the
head first, with Adam, then the last convolutional block as well, with SGD at 1e-4. The comments say
what the common form of each step gets wrong, and what the line below does instead.

Without arguments the pictures are drawn and the weights are random, so that it runs anywhere in a
minute; its accuracy then means nothing (0.2, one class in five). With a folder of your own,
``flowers/<class>/*.jpg``, and the ImageNet weights it is the real thing:

    python examples/tutorial.py --data flowers/ --weights imagenet --epochs 10

Expected: 19 layers, of which all and then 15 are frozen; a report of the test split. Writes
tutorial-out/tutorial.png and tutorial-out/tutorial.tkm.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import drawn
import keras

import transferkit as tk
from transferkit import TrainedModel, TransferModel

OUT = Path("tutorial-out")


def main(arguments: Sequence[str] | None = None) -> TrainedModel:
    """Run the example; returns what was trained."""
    options = parsed(arguments)
    OUT.mkdir(exist_ok=True)
    folder = options.data or drawn.folder(OUT / "shapes", drawn.KINDS, options.pictures, seed=0)
    size = options.image_size or (224 if options.data else 64)

    # Step 1, the pictures. The common form reads training and validation pictures from two folders,
    # each with a class list of its own, and evaluates on the pictures that it chose the epoch by.
    # Here one call makes three splits with one class list, and the test split is looked at once.
    photos = tk.data.from_directory(folder, image_size=size, val=0.2, test=0.2, seed=0)
    print(photos)

    # Step 2, the network. The common form scales pixels by 1/255. VGG16 was trained on BGR pixels
    # 0..255 minus the mean of ImageNet, so that its filters see almost nothing of such pictures.
    # Here the network takes raw pixels, and what its weights expect is inside of it. So that saved
    # models and predictions scale in the same way, and no scaling layer shifts the layer indices.
    weights = None if options.weights == "random" else options.weights
    model = (
        TransferModel("keras:VGG16", weights=weights)
        # Step 3, augmentation: of the training pictures only, in every epoch anew.
        .augment(tk.augment.rotate(20), tk.augment.shift(0.2), tk.augment.flip())
        # Step 4, the head. One softmax over five classes; the loss is taken on its logits.
        .head(tk.heads.classification(pooling="flatten", hidden=(256,), dropout=0.5))
    )

    # Step 5, two phases. The common form sets `layer.trainable` after `compile`, which changes
    # nothing until the next `compile`; forgets that BatchNormalization goes on updating its
    # statistics in "frozen" layers that are called for training (VGG16 has none; ResNet has); and
    # counts `layers[:15]` in a network whose input layer it may or may not have counted. Here a
    # phase says what is frozen, each phase compiles anew with an optimizer of its own, a frozen
    # layer runs in inference mode, and first(15) counts the input layer as index 0, as Keras does:
    # it ends at block4_pool. The same by name is tk.freeze.all_but(tk.select.where("^block5_")).
    plan = tk.plans.feature_extraction(epochs=options.epochs).then(
        tk.plans.fine_tune(
            epochs=options.epochs,
            freeze=tk.freeze.only(tk.select.first(15)),
            optimizer=keras.optimizers.SGD(momentum=0.9),
            learning_rate=1e-4,
        )
    )
    trained = model.fit(photos, plan, seed=0, verbose=2)
    told(trained)

    # Step 6, the figures, on pictures that nothing was chosen by.
    assert photos.test is not None
    evaluation = trained.evaluate(photos.test)
    print(evaluation)
    trained.history.plot().savefig(OUT / "tutorial.png", dpi=110)

    # Step 7, the file. The common form saves the network alone, and whoever loads it has to know
    # the class names and the scaling. Here they are in the file.
    trained.save(OUT / "tutorial.tkm")
    picture = photos.test.paths[0]
    print(f"{picture}: {tk.load(OUT / 'tutorial.tkm').predict(picture)}")
    return trained


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        help="a folder with one folder of pictures for each class; shapes are drawn without it",
    )
    parser.add_argument(
        "--weights",
        default="random",
        help="the weights of VGG16: random, imagenet, or a weight file (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="the side of the pictures in pixels (default: 224 with --data, 64 for drawn ones)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=3,
        help="how many epochs each of the two phases trains for (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=30,
        help="how many pictures of each class are drawn, if there is no --data "
        "(default: %(default)s)",
    )
    return parser.parse_args(arguments)


def told(trained: TrainedModel) -> None:
    """Say which layers each phase froze."""
    for phase in trained.plan:
        policy = trained.policy if phase.freeze is None else phase.freeze
        frozen = policy.names(trained.table)
        moving = [layer.name for layer in trained.table if layer.name not in frozen]
        rest = f"; trained: {', '.join(moving)}" if moving else "; only the head is trained"
        print(f"{phase.name}: {len(frozen)} of {len(trained.table)} layers are frozen{rest}")


if __name__ == "__main__":
    main()
