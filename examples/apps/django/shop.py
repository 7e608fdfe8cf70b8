"""A shop in Django, with a database of its own: the broadcast is submitted after the commit.

If the process ends between the two, the order is left without a broadcast; ``announce`` finds it.
Both name the same key, so whatever is repeated is announced once; it begins with the shop's name,
as other programs have orders, too. Run it beside a worker, with the settings of the worker (the
environment, or ``.env``)::

    pip install django
    python examples/apps/django/shop.py runserver --noreload
    python examples/apps/django/shop.py announce        # now and then, by cron

    curl localhost:8000/orders -d text='On its way' -d people=oAbcde… -d people=oFghij…
"""

from __future__ import annotations

import logging
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import connection, models, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from broadcast.views.program_words import explained
from producer import InputError, OutOfReachError, Producer, SettingsError

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("SHOP_DATABASE", "shop.sqlite3"),
        }
    },
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()
log = logging.getLogger(__name__)
broadcasts = Producer("shop")


class Order(models.Model):
    """What was ordered."""

    text = models.TextField()
    people = models.JSONField()
    #: Empty until its people are to be told.
    broadcast = models.CharField(max_length=32, default="")
    refusal = models.TextField(default="")

    class Meta:
        """Django's settings of a model."""

        app_label = "shop"

    def __str__(self) -> str:
        """Return it as Django's pages name it."""
        return f"order {self.pk}"


@require_POST
def order(request: HttpRequest) -> JsonResponse:
    """Store an order, and have its people told once it is committed."""
    if "text" not in request.POST:
        return JsonResponse({"error": "text is missing"}, status=400)
    with transaction.atomic():
        made = Order.objects.create(
            text=request.POST["text"], people=request.POST.getlist("people")
        )
        transaction.on_commit(lambda: announce(made))
    return JsonResponse({"order": made.pk, "broadcast": made.broadcast, "refusal": made.refusal})


def announce(made: Order) -> None:
    """Submit the broadcast of an order; the same one if it is there already."""
    try:
        made.broadcast = broadcasts.submit(
            key=f"django-order-{made.pk}",
            content={"msgtype": "text", "text": {"content": made.text}},
            audience={"openids": made.people},
        ).id
    except (SettingsError, OutOfReachError) as error:
        # No order fails for that: `announce` repeats it. Its names and paths are for the log.
        log.warning("order %s is announced later: %s", made.pk, explained(error))
    except InputError as error:
        # Time heals nothing here: a person reads it.
        made.refusal = explained(error)
    made.save()


def announce_the_rest() -> None:
    """Submit what was left behind."""
    for left in Order.objects.filter(broadcast="", refusal=""):
        announce(left)


urlpatterns = [path("orders", order)]

if __name__ == "__main__":
    if Order._meta.db_table not in connection.introspection.table_names():  # noqa: SLF001 - Django's way
        with connection.schema_editor() as editor:
            editor.create_model(Order)
    if sys.argv[1:] == ["announce"]:
        announce_the_rest()
    else:
        execute_from_command_line(sys.argv)
