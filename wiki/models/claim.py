"""Claims, the measurements they are about, and what was staked on those when."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from wiki.models.entry import Entry, Revision
from wiki.models.finding import Finding


class Population(models.TextChoices):
    """seeded: any number of fresh draws; stated: a fixed list, one draw; enumerated: everything there is, once."""

    SEEDED = "seeded"
    STATED = "stated"
    ENUMERATED = "enumerated"


class Outcome(models.TextChoices):
    HOLDS = "holds", "Holds"
    FAILS = "fails", "Fails"
    UNDECIDED = "undecided", "Undecided"
    ERRORED = "errored", "Errored"


class Measurement(models.Model):
    """Everything that decides a number, by its hash. Shared by all claims that ask for the same number.

    weights: what a worker must be able to load for it (`sha256:…` or `repository@commit`).
    control_of: the measurement whose specificity or power this one controls; null for a claim's own measurement.
    variants: the same under other conventions, measured at low priority to see whether the effect keeps its sign.
    cost: floating-point operations that one draw takes at most. memory: MiB that it takes at most.
    """

    sha256 = models.CharField(max_length=71, primary_key=True)
    text = models.TextField()
    technique = models.CharField(max_length=60)
    weights = models.CharField(max_length=300, db_index=True)
    population = models.CharField(max_length=10, choices=Population)
    control_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="controls")
    variants = models.ManyToManyField("self", symmetrical=False, related_name="variant_of")
    cost = models.FloatField()
    memory = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(population__in=Population.values), name="measurement_population_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.sha256

    @property
    def is_control(self) -> bool:
        return self.control_of_id is not None


class Expectation(models.Model):
    """An `expect` + `kind` staked on a measurement.

    first_draw: the first draw it is judged on: 0, or the first one not yet begun when it was saved.
    earlier: how many others had been staked on the measurement before it.
    """

    measurement = models.ForeignKey(Measurement, on_delete=models.PROTECT, related_name="expectations")
    sha256 = models.CharField(max_length=71)
    first_draw = models.PositiveIntegerField(default=0)
    stated_after_measuring = models.BooleanField(default=False)
    earlier = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["measurement", "sha256"], name="expectation_once_per_measurement"),
            models.CheckConstraint(
                condition=Q(first_draw=0) | Q(stated_after_measuring=True),
                name="expectation_skips_draws_only_if_stated_after_measuring",
            ),
        ]

    def __str__(self) -> str:
        return self.sha256

    @property
    def draws(self) -> tuple[int, ...]:
        """The draws it needs for a verdict: two where prompts can be drawn anew, else the one there is."""
        if self.measurement.population == Population.SEEDED:
            return self.first_draw, self.first_draw + 1
        return (0,)


class ClaimQuerySet(models.QuerySet["Claim"]):
    def runnable(self) -> ClaimQuerySet:
        return self.exclude(technique="")

    def undecided(self) -> ClaimQuerySet:
        """Runnable claims that wait for their first verdict."""
        return self.runnable().filter(outcome="")

    def concerned_by(self, measurement: Measurement) -> ClaimQuerySet:
        """Claims of which something rests on the measurement, as their own, their control or a variant."""
        its = Q(measurement=measurement) | Q(control=measurement) | Q(measurement__variants=measurement)
        return self.filter(its).distinct()

    def with_evidence(self) -> ClaimQuerySet:
        return self.select_related("finding", "measurement", "control", "expectation__measurement")


class Claim(models.Model):
    """A claim of a finding's current revision, with its verdict: a cache of the pure function `judge`.

    sentence: generated from spec, expect and behavior. expect, gate: as JSON text; gate is the behavior's metric,
    chance level and threshold. verdict: a Verdict document as JSON text, empty until judged.
    """

    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="claims")
    slug = models.SlugField(max_length=80)
    order = models.PositiveIntegerField()
    technique = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True)
    statement = models.TextField(blank=True)
    reworded = models.BooleanField(default=False)
    essential = models.BooleanField(default=False)
    kind = models.CharField(max_length=10)
    expect = models.TextField(blank=True)
    gate = models.TextField(blank=True)
    measurement = models.ForeignKey(Measurement, on_delete=models.PROTECT, null=True, related_name="claims")
    control = models.ForeignKey(Measurement, on_delete=models.PROTECT, null=True, related_name="controlled_claims")
    expectation = models.ForeignKey(Expectation, on_delete=models.PROTECT, null=True, related_name="claims")
    verdict = models.TextField(blank=True)
    depends_on_ablation = models.BooleanField(default=False)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True, db_index=True)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["finding", "slug"], name="claim_slug_once_per_finding"),
            models.CheckConstraint(
                condition=Q(technique="", measurement__isnull=True, expectation__isnull=True, expect="")
                | (~Q(technique="") & Q(measurement__isnull=False, expectation__isnull=False) & ~Q(expect="")),
                name="claim_is_runnable_iff_it_has_a_technique",
            ),
            models.CheckConstraint(
                condition=Q(outcome="", verdict="") | (Q(outcome__in=Outcome.values) & ~Q(verdict="")),
                name="claim_has_an_outcome_iff_it_has_a_verdict",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def runnable(self) -> bool:
        return bool(self.technique)


class Withdrawal(models.Model):
    """A claim that was removed, or whose expectation was changed, after it had failed. Counted for good."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="withdrawals")
    expectation = models.ForeignKey(Expectation, on_delete=models.PROTECT, related_name="withdrawals")
    claim = models.SlugField(max_length=80)
    sentence = models.TextField()
    verdict = models.TextField()
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["withdrawn_at"]
        constraints = [
            models.UniqueConstraint(fields=["entry", "expectation"], name="withdrawal_once_per_expectation"),
        ]

    def __str__(self) -> str:
        return f"{self.claim} of {self.entry}"
