"""A study of some size: who answers what, and what it costs."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """people an image, images, and how many images one person answers at most."""

    people: int
    images: int
    each: int

    @property
    def answers(self) -> int:
        """All of them."""
        return self.people * self.images

    @property
    def all_people(self) -> int:
        """How many people it takes."""
        return max(self.people, math.ceil(self.answers / self.each))


@dataclass(frozen=True)
class Costs:
    """seconds: of an answer. minutes_before: of each person, before the first image. per_hour: the pay."""

    seconds: float = 10.0
    minutes_before: float = 0.0
    per_hour: float = 0.0

    def hours(self, design: Design) -> float:
        """People's time, all together."""
        return design.answers * self.seconds / 3600 + design.all_people * self.minutes_before / 60

    def money(self, design: Design) -> float:
        """What that time is paid with."""
        return self.hours(design) * self.per_hour
