"""Table IX: the GANs' discriminator as regressor, classifier or both (paper Section V-A.1).

Paper: VA only is best with MSE (0.484 / 0.384), AUs only reach F1 0.404 / 0.40 and
accuracy 0.824; jointly all are lower. The paper does not name the configuration:
the paper profile reports both.
Command: python experiments/run.py --table IX [--configuration 1|2] [--kernel 5|7]
"""

from experiments.gan_definitions import GanRow, GanTable

TABLE = GanTable(
    name="IX",
    title="Loss functions of the GAN's discriminator, as regressor, classifier or both",
    section="V-A.1",
    rows=(
        GanRow("only VA: CCC", valence_arousal=True, action_units=False, va_loss="ccc"),
        GanRow("only VA: MSE", valence_arousal=True, action_units=False, va_loss="mse"),
        GanRow("only AU: cross entropy", valence_arousal=False, action_units=True),
        GanRow("VA + AU: CCC + cross entropy", True, True, va_loss="ccc"),
        GanRow("VA + AU: MSE + cross entropy", True, True, va_loss="mse"),
    ),
    expected="CCC 0.484 / 0.384 (VA only, MSE); F1 0.404 / 0.40, accuracy 0.824 (AU only)",
    cost="smoke: 1 minute; demo: 23 processor minutes (configuration 2: 50 a row); paper: GPU",
)
