"""Invents the page tree: home, catalogue and its procedures, with exactly the province's published counts."""

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from procedures.models import CataloguePage, HomePage, ProcedurePage, Sector
from wagtail.models import Page, Site

from dossiers.filling import words

LEVEL_4 = 300
LEVEL_3 = 331
POSTAL = 986
PAYMENT = 351
TOTAL = 1_934
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fill():
    """Make the page tree; return the ids of the procedures that can be filed online."""
    catalogue = _frame()
    sectors = [Sector.objects.create(name=name, slug=slug) for name, slug, _ in words.SECTORS]
    pages = [_procedure(index, catalogue, sectors) for index in range(TOTAL)]
    bases = Page.objects.bulk_create([page for page, _ in pages], batch_size=500)
    details = [{"page_ptr_id": base.pk, **detail} for base, (_, detail) in zip(bases, pages)]
    _insert_details(details)
    Page.objects.filter(pk=catalogue.pk).update(numchild=TOTAL)
    return [detail["page_ptr_id"] for detail in details if detail["level"] >= 3]


def _frame():
    root = Page.get_first_root_node()
    for page in root.get_children():
        page.delete()
    root.refresh_from_db()
    home = root.add_child(
        instance=HomePage(
            title="Cổng Dịch vụ công trực tuyến tỉnh Khánh Hòa",
            slug="trang-chu",
            welcome="Nộp hồ sơ, thanh toán và theo dõi kết quả giải quyết thủ tục hành chính mọi lúc, mọi nơi.",
        )
    )
    Site.objects.all().delete()
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True, site_name="Dịch vụ công")
    return home.add_child(instance=CataloguePage(title="Thủ tục hành chính", slug="thu-tuc", show_in_menus=True))


def _procedure(index, catalogue, sectors):
    """Return one procedure as an unsaved page and its own columns.

    631 procedures are at level 3 or 4, and which ones is spread over the catalogue by a fixed stride.
    """
    rank = index * 1_021 % TOTAL  # 1,021 and 1,934 share no factor: each rank comes once
    level = 4 if rank < LEVEL_4 else 3 if rank < LEVEL_4 + LEVEL_3 else 2
    sector = index % len(sectors)
    action, what = words.ACTIONS[index % len(words.ACTIONS)], words.OBJECTS[index // 3 % len(words.OBJECTS)]
    scope = words.SCOPES[index // 7 % len(words.SCOPES)]
    code = f"{1 + index % 3}.{index + 2_115:06d}.H32"
    slug = code.replace(".", "-").lower()
    page = Page(
        title=f"{action} {what} {scope}".strip() + f" (thủ tục số {index + 1})",
        slug=slug,
        path=catalogue.path + _base36(index + 1),
        depth=catalogue.depth + 1,
        numchild=0,
        url_path=f"{catalogue.url_path}{slug}/",
        live=True,
        locale=catalogue.locale,
        content_type=ContentType.objects.get_for_model(ProcedurePage),
    )
    page.draft_title = page.title
    detail = {
        "code": code,
        "sector_id": sectors[sector].pk,
        "agency": words.SECTORS[sector][2],
        "level": level,
        "postal_return": rank < POSTAL,
        "online_payment": rank < PAYMENT,
        "fee": (1 + rank % 8) * 25_000 if rank < PAYMENT else 0,
        "working_days": 3 + index % 18,
        "documents": list(words.DOCUMENTS[: 2 + index % (len(words.DOCUMENTS) - 1)]),
        "steps": [{"thu_tu": number + 1, "ten": name} for number, name in enumerate(words.STEPS)],
    }
    return page, detail


def _insert_details(details):
    # Django refuses bulk_create for a model with a parent table: the rows go in by their own INSERT.
    names = list(details[0])
    fields = [ProcedurePage._meta.get_field("page_ptr" if name == "page_ptr_id" else name) for name in names]
    rows = [
        [field.get_db_prep_save(detail[name], connection) for name, field in zip(names, fields)] for detail in details
    ]
    sql = f"INSERT INTO procedures_procedurepage ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def _base36(number):
    """Return a number as treebeard's four-character step."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(4, "0")
