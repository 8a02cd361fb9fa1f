"""``backslide demo``: a seeded story on simulated documents, played end to end."""

from backslide.demo.story import STORY as STORY
from backslide.demo.story import prepare as prepare
from backslide.demo.story import run as run
