"""The HTML report in a real Chromium: what a reader does with it, and what a hostile golden does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import labelled_pairs
from kernelsnap.cli.main import main
from kernelsnap.report.html import page
from kernelsnap.report.html.case import case_id, part_id

ROOT = Path(__file__).parents[2]
FUSION = ROOT / "goldens" / "test_fusion" / "FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
PAIRS = ("split-chain", "dtype-norm", "inplace-off", "looped-softmax", "merge-chain", "edit-break", "flash-mask")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two trees of real changes, one of them new, one gone, one unreadable, one for three targets."""
    top = tmp_path_factory.mktemp("pairs")
    for name in PAIRS:
        for side, content in labelled_pairs.sides()[name].items():
            path = top / side / "real" / f"{name}.h100.ksnap"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    text = FUSION.read_text()
    for side, other in (("old", text), ("new", text.replace("tl_math.cos", "libdevice.cos"))):
        (top / side / "shared.h100.ksnap").write_text(other)
        (top / side / "broken.h100.ksnap").write_text("kernelsnap 1\n" if side == "new" else text)
        (top / side / f"{side}.h100.ksnap").write_text(text)
        (top / side / "toolchain.toml").write_text(f'format = 1\ntorch = "2.{12 if side == "old" else 13}.0"\n')
    return top


@pytest.fixture(scope="module")
def address(pairs):
    """The page of the two trees."""
    file = pairs / "report.html"
    assert main(["diff", str(pairs / "old"), str(pairs / "new"), "--html", str(file)]) == 2
    return file.as_uri()


@pytest.fixture
def opened(chromium, watched, address):
    """A fresh page, watched to the end: nothing was loaded, nothing complained."""
    chromium.set_window_size(1400, 1000)
    chromium.get(address)
    yield chromium
    assert watched.complaints() == []
    assert watched.requested() == {chromium.current_url.partition("#")[0]}


def visible_cases(browser):
    script = (
        "return [...document.querySelectorAll('.case, .others li')].filter(x => x.checkVisibility()).map(x => x.id)"
    )
    return set(browser.execute_script(script))


def count(browser):
    return browser.find_element(By.ID, "count").text


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def focused(browser):
    return browser.execute_script("return document.activeElement.closest('.case')?.id")


def place(name):
    return case_id(f"real/{name}.h100.ksnap")


def test_the_overview_says_what_was_compared(opened):
    totals = opened.find_element(By.CLASS_NAME, "totals").text.split("\n")
    assert dict(zip(totals[::2], totals[1::2], strict=True)) == {
        "compared": "11", "the same": "0", "changed": "8", "new": "1", "gone": "1", "unreadable": "1",
        "groups of changes": "10",
    }  # fmt: skip
    assert opened.find_element(By.CLASS_NAME, "versions").text == "torch 2.12.0 → torch 2.13.0"
    assert "broken.h100.ksnap (new):2: the file is cut off" in opened.find_element(By.CLASS_NAME, "error").text
    command = opened.find_element(By.CLASS_NAME, "command").text
    assert command.startswith("kernelsnap diff ")
    assert command.endswith("report.html")
    kernels = next(row for row in opened.find_elements(By.CSS_SELECTOR, ".metrics tbody tr") if "kernels" in row.text)
    assert "less" in kernels.text
    assert "more" in kernels.text


def test_filters_narrow_what_is_shown_and_the_address_repeats_them(opened, address):
    opened.find_element(By.CSS_SELECTOR, "[name=cause][value=fusion-split]").click()
    assert visible_cases(opened) == {place("split-chain")}
    assert count(opened) == "1 of 10 goldens in 1 group"
    opened.find_element(By.CSS_SELECTOR, "[name=cause][value=fusion-merge]").click()
    assert visible_cases(opened) == {place("split-chain"), place("merge-chain")}
    opened.find_element(By.CSS_SELECTOR, ".metrics [data-metric=kernels][data-way=improved]").click()
    assert visible_cases(opened) == {place("merge-chain")}
    link = opened.current_url
    assert link.endswith("#cause=fusion-split&cause=fusion-merge&metric=kernels&way=improved")
    opened.get("about:blank")
    opened.get(link)
    assert visible_cases(opened) == {place("merge-chain")}
    assert opened.find_element(By.CSS_SELECTOR, "[name=cause][value=fusion-merge]").is_selected()
    opened.find_element(By.CSS_SELECTOR, "#filters [type=reset]").click()
    assert len(visible_cases(opened)) == 10
    assert opened.current_url == address


def test_counts_follow_the_other_filters(opened):
    def number(value):
        return opened.find_element(By.XPATH, f"//input[@value='{value}']/../b").text

    assert (number("h100"), number("a100"), number("intrinsic")) == ("10", "3", "1")
    opened.find_element(By.CSS_SELECTOR, "[name=target][value=a100]").click()
    assert (number("h100"), number("a100"), number("intrinsic"), number("fusion-split")) == ("10", "3", "1", "0")
    assert count(opened) == "3 of 10 goldens in 3 groups"


def test_goldens_that_have_less_of_whatever_metric(opened):
    Select(opened.find_element(By.NAME, "way")).select_by_visible_text("less")
    assert visible_cases(opened) == {place("merge-chain"), place("dtype-norm")}
    assert opened.current_url.endswith("#way=improved")


def test_an_address_that_leads_nowhere_shows_everything(opened, address):
    for end in ("#%", "#no-such-place", "#at=%3Cb%3E", "#way=sideways&metric=none&x=y"):
        opened.get("about:blank")
        opened.get(f"{address}{end}")
        expected = 0 if "metric" in end else 10
        assert len(visible_cases(opened)) == expected


def test_search_takes_several_words_and_says_when_nothing_matches(opened):
    press(opened, "/")
    assert opened.execute_script("return document.activeElement.id") == "q"
    press(opened, "real", " ", "split")
    assert visible_cases(opened) == {place("split-chain")}
    press(opened, "j")  # a letter like any other while the search has the focus
    assert visible_cases(opened) == set()
    assert opened.find_element(By.ID, "nothing").is_displayed()
    press(opened, Keys.ESCAPE, Keys.ESCAPE)
    assert len(visible_cases(opened)) == 10


def test_links_lead_to_a_golden_and_to_a_kernel_of_it(opened, address):
    kernel = part_id(place("split-chain"), "inference", "k1")
    opened.get("about:blank")
    opened.get(f"{address}#{kernel}")
    target = opened.find_element(By.ID, kernel)
    assert target.is_displayed()
    assert 0 <= opened.execute_script("return arguments[0].getBoundingClientRect().top", target) < 1000
    # A link to what a filter hides takes the filter away; one without filters keeps it.
    opened.get(f"{address}#q=merge&at={place('dtype-norm')}")
    WebDriverWait(opened, 20).until(lambda _: len(visible_cases(opened)) == 10)
    assert focused(opened) == place("dtype-norm")
    opened.get(f"{address}#cause=fusion-split&at={place('split-chain')}")
    WebDriverWait(opened, 20).until(lambda _: visible_cases(opened) == {place("split-chain")})
    assert opened.find_element(By.ID, place("split-chain")).get_attribute("open")


def test_keys_go_from_golden_to_golden_and_fold_them(opened):
    order = opened.execute_script("return [...document.querySelectorAll('.case')].map(x => x.id)")
    press(opened, "j")
    assert focused(opened) == order[0]
    press(opened, "n", "j")
    assert focused(opened) == order[2]
    press(opened, "k", "p")
    assert focused(opened) == order[0]
    press(opened, "p")
    assert focused(opened) == order[0]
    was_open = opened.find_element(By.ID, order[0]).get_attribute("open")
    press(opened, "o")
    assert opened.find_element(By.ID, order[0]).get_attribute("open") != was_open
    press(opened, Keys.ENTER)
    assert opened.find_element(By.ID, order[0]).get_attribute("open") == was_open
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert opened.execute_script(outline) == "solid"


def test_help_is_a_dialog_that_escape_closes(opened):
    press(opened, "?")
    dialog = opened.find_element(By.ID, "help")
    assert dialog.is_displayed()
    assert "next golden" in dialog.text
    press(opened, Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_the_colour_scheme_follows_the_system_until_it_is_chosen(opened):
    def background():
        return opened.execute_script("return getComputedStyle(document.body).backgroundColor")

    def system(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("light")
    light = background()
    system("dark")
    dark = background()
    assert light != dark
    button = opened.find_element(By.ID, "theme")
    button.click()
    assert (button.text, background()) == ("Theme: light", light)
    press(opened, "t")
    assert (button.text, background()) == ("Theme: dark", dark)
    system("light")
    assert background() == dark
    opened.refresh()
    assert background() == dark
    press(opened, "t")
    assert background() == light


def test_folded_lines_are_shown_on_both_sides(opened):
    press(opened, "/", "dtype-norm", Keys.ESCAPE)
    case = opened.find_element(By.ID, place("dtype-norm"))
    opened.execute_script("arguments[0].open = true", case)
    fold = case.find_element(By.CSS_SELECTOR, "[data-fold]")
    number = int(fold.text.split()[1])
    before = len(case.find_elements(By.CSS_SELECTOR, ".same tr"))
    fold.click()
    rows = case.find_elements(By.CSS_SELECTOR, ".same tr")
    assert len(rows) == before + number
    for row in rows:
        cells = row.find_elements(By.TAG_NAME, "td")
        assert cells[1].text == cells[3].text
    folds = len(case.find_elements(By.CSS_SELECTOR, ".fold"))
    assert folds
    press(opened, "j", "e")
    assert not case.find_elements(By.CSS_SELECTOR, ".fold")


def test_one_column_holds_what_was_removed_then_what_was_added(opened):
    press(opened, "/", "dtype-norm", Keys.ESCAPE)
    case = opened.find_element(By.ID, place("dtype-norm"))
    opened.execute_script("arguments[0].open = true", case)
    change = next(
        body
        for body in case.find_elements(By.CSS_SELECTOR, "table:not(.one) .change")
        if body.find_elements(By.CSS_SELECTOR, "tr:nth-child(2) .r + td.n.a")
    )

    def at(cells):
        boxes = [cell.rect for cell in change.find_elements(By.CSS_SELECTOR, cells)]
        return [box["x"] for box in boxes], [box["y"] for box in boxes]

    (removed_x, removed_y), (added_x, added_y) = at("td.r:not(.n)"), at("td.a:not(.n)")
    assert removed_y[0] == added_y[0]
    assert max(removed_x) < min(added_x)
    press(opened, "u")
    (removed_x, removed_y), (added_x, added_y) = at("td.r:not(.n)"), at("td.a:not(.n)")
    assert set(removed_x) == set(added_x)
    assert max(removed_y) < min(added_y)


def test_everything_that_takes_the_focus_has_a_name_and_places_are_unique(opened):
    opened.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    ids = opened.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    case = opened.find_element(By.ID, place("dtype-norm"))
    for scope in (opened, case):
        found = scope.find_elements(By.CSS_SELECTOR, "a, button, input, select, [tabindex='0'], dialog, section, svg")
        named = [one for one in found if one.is_displayed() and one.aria_role not in ("generic", "none")]
        assert named
        for one in named[:80]:
            assert one.accessible_name, one.get_attribute("outerHTML")[:200]


def test_a_narrow_window_has_one_column_and_no_sideways_scrolling(opened):
    opened.set_window_size(640, 1000)
    page = opened.find_element(By.TAG_NAME, "html")
    WebDriverWait(opened, 20).until(lambda _: page.get_attribute("data-view") == "unified")
    opened.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.execute_script(width) <= 0


def test_filters_do_not_push_the_report_out_of_a_narrow_window(opened, address):
    box, title = opened.find_element(By.ID, "filter-box"), opened.find_element(By.ID, "title")
    assert not box.find_element(By.TAG_NAME, "summary").is_displayed()
    opened.set_window_size(640, 1000)
    WebDriverWait(opened, 20).until(lambda _: not box.get_attribute("open"))
    assert title.location["y"] < 250
    press(opened, "/")
    assert opened.find_element(By.ID, "q").is_displayed()
    opened.get("about:blank")
    opened.get(f"{address}#target=a100")
    assert opened.find_element(By.CSS_SELECTOR, "[name=target][value=a100]").is_displayed()
    opened.set_window_size(1400, 1000)
    WebDriverWait(opened, 20).until(lambda _: opened.find_element(By.ID, "q").is_displayed())


def test_nothing_of_the_metrics_is_cut_off_in_a_usual_window(opened):
    opened.set_window_size(1300, 1000)
    table = opened.find_element(By.CSS_SELECTOR, ".overview .scroll")
    width = "return arguments[0].scrollWidth - arguments[0].clientWidth"
    assert opened.execute_script(width, table) <= 0


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A page of a plan that is too large for half a window, for two targets, with their files apart."""
    top = tmp_path_factory.mktemp("wide")
    for side, content in labelled_pairs.sides()["held-attention-split"].items():
        (top / side).mkdir()
        for target in ("h100", "mi300x"):
            text = content.replace(b"target h100", f"target {target}".encode())
            (top / side / f"a.{target}.ksnap").write_bytes(text)
    assert main(["diff", str(top / "old"), str(top / "new"), "--html", str(top / "wide.html")]) == 1
    return (top / "wide.html").as_uri()


SCROLLED = "return [...document.querySelectorAll('.canvas')].slice(0, 2).map((one) => [one.scrollLeft, one.scrollTop])"


def scroll_to_the_start(chromium):
    """Both sides. An event of the scrolling before may still be on its way, and move a side again: then once more."""
    script = """
        const done = arguments[0], later = (count) => requestAnimationFrame(() => count ? later(count - 1) : done());
        document.querySelectorAll('.canvas').forEach((one) => one.scrollTo(0, 0));
        later(5);
    """
    WebDriverWait(chromium, 20).until(
        lambda _: [chromium.execute_async_script(script), chromium.execute_script(SCROLLED)][1] == [[0, 0], [0, 0]]
    )


def test_before_and_after_are_next_to_each_other_and_scrolled_together(chromium, watched, wide):
    chromium.set_window_size(1100, 700)
    chromium.get(wide)
    before, after = chromium.find_elements(By.CSS_SELECTOR, ".picture")[:2]
    assert before.location["y"] == after.location["y"]
    assert before.location["x"] + before.size["width"] <= after.location["x"]
    first, second = chromium.find_elements(By.CSS_SELECTOR, ".canvas")[:2]
    for button in chromium.find_elements(By.CSS_SELECTOR, "[data-zoom='1']")[:2]:
        for _ in range(6):
            button.click()
    for one, other, end in ((first, 1, "scrollHeight"), (second, 0, "scrollHeight"), (first, 1, "scrollWidth")):
        scroll_to_the_start(chromium)
        way = "left" if end == "scrollWidth" else "top"
        chromium.execute_script(f"arguments[0].scrollTo({{ {way}: arguments[0].{end} }})", one)
        axis = int(way == "top")
        WebDriverWait(chromium, 20).until(
            lambda _, at=other, axis=axis: chromium.execute_script(SCROLLED)[at][axis] > 0
        )
    scroll_to_the_start(chromium)
    chromium.execute_script("arguments[0].focus()", second)
    press(chromium, Keys.ARROW_DOWN)
    WebDriverWait(chromium, 20).until(lambda _: chromium.execute_script(SCROLLED)[0][1] > 0)
    assert watched.complaints() == []


def test_a_narrow_window_has_both_sides_below_each_other_and_none_of_its_own_scrolling(chromium, wide, address):
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for page_address in (wide, address):
            chromium.get("about:blank")
            chromium.get(page_address)
            chromium.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            assert chromium.execute_script("return document.documentElement.scrollWidth") <= 400
            outside = (
                "return [...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() "
                "&& !one.closest('.scroll, .canvas') && one.getBoundingClientRect().right > 400).length"
            )
            assert chromium.execute_script(outside) == 0
            before, after = chromium.find_elements(By.CSS_SELECTOR, ".picture")[:2]
            assert before.location["x"] == after.location["x"]
            assert before.location["y"] + before.size["height"] <= after.location["y"]
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_goldens_of_several_targets_that_changed_alike_are_one_row(chromium, wide):
    chromium.set_window_size(1400, 1000)
    chromium.get("about:blank")
    chromium.get(wide)
    assert count(chromium) == "2 goldens in 1 group"
    (row,) = chromium.find_elements(By.CSS_SELECTOR, ".case")
    tags = [tag.text for tag in row.find_elements(By.CSS_SELECTOR, "summary .target")]
    assert tags == ["h100", "mi300x"]
    (twin,) = row.find_elements(By.CSS_SELECTOR, ".twin-case")
    assert not twin.find_element(By.CSS_SELECTOR, ".body").is_displayed()
    chromium.get("about:blank")
    chromium.get(f"{wide}#{case_id('a.mi300x.ksnap')}")
    assert chromium.find_element(By.CSS_SELECTOR, ".twin-case .body").is_displayed()
    boxes = chromium.find_elements(By.CSS_SELECTOR, "[name=target]")
    assert [box.find_element(By.XPATH, "..").text.split() for box in boxes] == [["h100", "1"], ["mi300x", "1"]]


def test_the_plan_leads_to_the_code_of_a_kernel(opened):
    press(opened, "/", "split-chain", Keys.ESCAPE)
    case = opened.find_element(By.ID, place("split-chain"))
    opened.execute_script("arguments[0].open = true", case)
    signs = [sign.text for sign in case.find_elements(By.CSS_SELECTOR, "svg .sign")]
    assert signs == ["÷ split ↔ k0 k1 k2", *["÷ split ↔ k0"] * 3]
    ActionChains(opened).move_to_element(case.find_element(By.CSS_SELECTOR, "a.box .title")).perform()
    assert len(case.find_elements(By.CSS_SELECTOR, ".twin")) == 4
    box = case.find_elements(By.CSS_SELECTOR, "a.box")[-1]
    opened.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))", box)
    kernel = opened.execute_script("return arguments[0].getAttribute('href')", box)
    assert kernel == f"#{part_id(place('split-chain'), 'inference', 'k2')}"
    assert opened.current_url.endswith(kernel)
    assert opened.find_element(By.CSS_SELECTOR, ".here").get_attribute("id") == kernel[1:]


def test_a_group_lists_the_goldens_that_have_no_diff_here(chromium, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(page, "MOST_BODIES", 1)
    text = FUSION.read_text()
    for side, other in (("old", text), ("new", text.replace("tl_math.cos", "tl_math.sin"))):
        (tmp_path / side).mkdir()
        for number in range(60):
            (tmp_path / side / f"{number:02}.h100.ksnap").write_text(other)
    file = tmp_path / "many.html"
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new"), "--html", str(file)]) == 1
    capsys.readouterr()
    chromium.get(file.as_uri())
    assert "the diffs of 59 goldens. With --full" in chromium.find_element(By.CLASS_NAME, "left-out").text
    assert len(chromium.find_elements(By.CSS_SELECTOR, ".others li")) == 20
    chromium.get("about:blank")
    chromium.get(f"{file.as_uri()}#{case_id('55.h100.ksnap')}")
    assert chromium.execute_script("return document.activeElement.id") == case_id("55.h100.ksnap")
    assert len(chromium.find_elements(By.CSS_SELECTOR, ".others li")) == 59
    chromium.get(f"{file.as_uri()}#q=42")
    WebDriverWait(chromium, 20).until(lambda _: count(chromium) == "1 of 60 goldens in 1 group")
