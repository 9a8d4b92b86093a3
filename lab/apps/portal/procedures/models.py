"""Pages of the portal: the home page, the catalogue and one page a procedure; they never show a clock."""

from django.contrib.postgres.fields import ArrayField
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Count, Q
from wagtail.admin.panels import FieldPanel
from wagtail.models import Page

PAGE_SIZE = 20


class Sector(models.Model):
    """A field of administration that procedures belong to."""

    name = models.CharField(max_length=200, unique=True)
    slug = models.SlugField(unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class HomePage(Page):
    """The first page: figures of the catalogue and the most used sectors."""

    welcome = models.TextField(blank=True)
    content_panels = [*Page.content_panels, FieldPanel("welcome")]
    subpage_types = ["procedures.CataloguePage"]
    template = "home.html"

    def get_context(self, request, *args, **kwargs):
        context = super().get_context(request, *args, **kwargs)
        context["catalogue"] = CataloguePage.objects.child_of(self).first()
        context["figures"] = ProcedurePage.objects.live().aggregate(
            total=Count("pk"),
            level_3=Count("pk", filter=Q(level=3)),
            level_4=Count("pk", filter=Q(level=4)),
            postal=Count("pk", filter=Q(postal_return=True)),
            payment=Count("pk", filter=Q(online_payment=True)),
        )
        context["sectors"] = Sector.objects.annotate(count=Count("procedures")).order_by("name")
        return context


class CataloguePage(Page):
    """The list of procedures, by page and filter."""

    subpage_types = ["procedures.ProcedurePage"]
    template = "catalogue.html"

    def get_context(self, request, *args, **kwargs):
        context = super().get_context(request, *args, **kwargs)
        chosen = {key: request.GET.get(key, "") for key in ("muc", "linh-vuc", "q", "buu-chinh", "truc-tuyen")}
        found = ProcedurePage.objects.live().select_related("sector").order_by("code")
        if chosen["muc"] in {"2", "3", "4"}:
            found = found.filter(level=int(chosen["muc"]))
        if chosen["linh-vuc"]:
            found = found.filter(sector__slug=chosen["linh-vuc"])
        if chosen["q"]:
            found = found.filter(Q(title__icontains=chosen["q"]) | Q(code__icontains=chosen["q"]))
        if chosen["buu-chinh"] == "1":
            found = found.filter(postal_return=True)
        if chosen["truc-tuyen"] == "1":
            found = found.filter(online_payment=True)
        context["listed"] = Paginator(found, PAGE_SIZE).get_page(request.GET.get("trang"))
        context["sectors"] = Sector.objects.all()
        context["chosen"] = {key.replace("-", "_"): value for key, value in chosen.items()}
        query = request.GET.copy()
        query.pop("trang", None)
        context["query"] = query.urlencode()
        return context


class ProcedurePage(Page):
    """One administrative procedure: what it needs, costs and takes."""

    code = models.CharField(max_length=40, unique=True)
    sector = models.ForeignKey(Sector, on_delete=models.PROTECT, related_name="procedures")
    agency = models.CharField(max_length=200)
    level = models.SmallIntegerField(choices=[(level, f"Mức độ {level}") for level in (2, 3, 4)])
    postal_return = models.BooleanField(default=False)
    online_payment = models.BooleanField(default=False)
    fee = models.IntegerField(default=0)
    working_days = models.SmallIntegerField(default=5)
    documents = ArrayField(models.TextField(), default=list, blank=True)
    steps = models.JSONField(default=list, blank=True)

    content_panels = [
        *Page.content_panels,
        *(
            FieldPanel(name)
            for name in ("code", "sector", "agency", "level", "postal_return", "online_payment", "fee", "working_days")
        ),
    ]
    parent_page_types = ["procedures.CataloguePage"]
    subpage_types = []
    template = "procedure.html"

    class Meta:
        indexes = [models.Index(fields=["level"], name="procedure_level")]
