"""Write small weight files as the authors of CLIP-E did, with real Keras 2, for the tests of the importer.

    pip install --target SOMEWHERE tensorflow-cpu tf-keras
    PYTHONPATH=SOMEWHERE python scripts/record_clip_e_weights.py tests/affectml/clip_e_weights

The four models have the notebooks' layers under the notebooks' names, but 16 features and 8 hidden units, so that
the files stay small. Keras numbers what it makes: the second contrastive file comes from a process that had built
other models before, with its layers inside wrappers of other names. `expected.npz` has 5 rows of features and what
Keras predicts for them; `made_by.json` the versions.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

FEATURES, HIDDEN, ROWS = 16, 8, 5


def classifier(outputs: int, activation: str) -> "keras.Model":
    """Image features -> Dense relu -> the labels."""
    entry = keras.layers.Input(shape=(FEATURES,), name="input_img_features")
    hidden = keras.layers.Dense(HIDDEN, activation="relu", name="img_fc1")(entry)
    return keras.Model(entry, keras.layers.Dense(outputs, activation=activation, name="preds")(hidden))


class Contrastive(keras.Model):
    """Two towers, of which only the image's has weights."""

    def __init__(self) -> None:
        super().__init__()
        image = keras.layers.Input(shape=(FEATURES,), name="input_img_features")
        hidden = keras.layers.Dense(HIDDEN, activation="relu", name="img_fc1")(image)
        projected = keras.layers.Dense(FEATURES, activation="linear", name="img_fc2")(hidden)
        self.vision_encoder = keras.Model(image, projected)
        text = keras.layers.Input(shape=(FEATURES,), name="input_text_features")
        self.text_encoder = keras.Model(text, text)

    def call(self, features: "tf.Tensor", training: bool = False) -> "tuple[tf.Tensor, tf.Tensor]":
        """Text features as they came, image features projected."""
        return self.text_encoder(features[0]), self.vision_encoder(features[1])


def main(out: Path) -> None:
    """Write the files into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    rows = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype(np.float32)
    expected = {"features": rows}
    for name, outputs, activation in (("25cat", 25, "softmax"), ("6cat", 6, "softmax"), ("binary", 1, "sigmoid")):
        model = _stirred(classifier(outputs, activation))
        model.save_weights(out / f"clip-e_{name}.hdf5")
        expected[name] = model.predict(rows, verbose=0)
    for name in ("contrastive", "contrastive_renumbered"):
        model = Contrastive()
        model((rows, rows))
        _stirred(model).save_weights(out / f"clip-e_{name}.hdf5")
        expected[name] = model((rows, rows))[1].numpy()
    np.savez(out / "expected.npz", **expected)
    made_by = {"tf_keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    (out / "made_by.json").write_text(json.dumps(made_by, indent=2) + "\n")


def _stirred(model: "keras.Model") -> "keras.Model":
    """Random biases too: Keras starts them at zero, and a reader that forgot them would pass."""
    draw = np.random.default_rng(1)
    model.set_weights([draw.normal(scale=0.5, size=w.shape).astype(np.float32) for w in model.get_weights()])
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]))
