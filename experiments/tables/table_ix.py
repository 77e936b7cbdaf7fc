"""Table IX: the GANs' discriminator as regressor, classifier or both (paper Section V-A.1).

Paper: VA only is best with MSE (0.484 / 0.384), AUs only reach F1 0.404 / 0.40 and
accuracy 0.824; jointly all are lower. The paper does not name the configuration:
the paper profile reports both.
Command: python experiments/run.py --table IX [--configuration 1|2] [--kernel 5|7]
"""

from kaffect.studies.experiment import Row, Table

VA, AU, BOTH = {"loss.tasks": ["va"]}, {"loss.tasks": ["au"]}, {"loss.tasks": ["va", "au"]}
CCC, MSE = {"loss.va": "ccc"}, {"loss.va": "mse"}

TABLE = Table(
    name="IX",
    study="gan",
    title="Loss functions of the GAN's discriminator, as regressor, classifier or both",
    section="V-A.1",
    rows=(
        Row("only VA: CCC", "only VA: CCC", {**VA, **CCC}),
        Row("only VA: MSE", "only VA: MSE", {**VA, **MSE}),
        Row("only AU: cross entropy", "only AU: CE", AU),
        Row("VA + AU: CCC + cross entropy", "VA + AU: CCC + CE", {**BOTH, **CCC}),
        Row("VA + AU: MSE + cross entropy", "VA + AU: MSE + CE", {**BOTH, **MSE}),
    ),
    expected="CCC 0.484 / 0.384 (VA only, MSE); F1 0.404 / 0.40, accuracy 0.824 (AU only)",
    cost="smoke: 1 minute; demo: 23 processor minutes (configuration 2: 50 a row); paper: GPU",
    row_minutes={"smoke": 0.3, "demo": 4.6},
    link="https://arxiv.org/abs/1811.07771",
    legend="CE: cross entropy over the Action Units.",
)
