"""A hostile golden in the HTML report, in a real Chromium: its text is shown as it is, and nothing of it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from kernelsnap.cli.main import main
from kernelsnap.golden.format import parse, render

ROOT = Path(__file__).parents[2]
FUSION = ROOT / "goldens" / "test_fusion" / "FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
HOSTILE = """<script>window.hit=1</script><img src=x onerror="window.hit=2">'"`&amp;&lt;{{7*7}}{%raw%}${8*8}"""


def hostile(golden, extra=""):
    """A golden whose every text is an attack."""
    (plan,) = golden.plan
    (step,) = plan.steps
    (op, *ops) = step.ops
    step = replace(
        step,
        name=f"k0{HOSTILE}".replace(" ", "_"),
        kind=f"pointwise {HOSTILE}",
        ops=(replace(op, source=HOSTILE, aten=(f"sum{HOSTILE}{extra}".replace(" ", "_"),)), *ops),
    )
    kernel, host = golden.code
    line = f'    tmp9 = "{HOSTILE}</script><svg onload=window.hit=3>{extra}"\n'
    text = kernel.text.replace("    tmp4 =", f"{line}    tmp4 =").replace("def k0(", f"def {step.name}(")
    return replace(
        golden,
        case=f"tests/x.py::test[{HOSTILE}]",
        plan=(replace(plan, steps=(step,)),),
        config=tuple(replace(c, kernel=step.name, meta=(*c.meta, ("hint", HOSTILE + extra))) for c in golden.config),
        code=(replace(kernel, name=step.name, text=text), host),
    )


def test_markup_and_scripts_in_a_golden_are_text(chromium, watched, tmp_path, capsys):
    golden = hostile(parse(FUSION.read_text()))
    name = f"x</script>{HOSTILE.replace('/', '')}.h100.ksnap"
    for side, extra in (("old<b>", ""), ("new</title>", "!")):
        path = tmp_path / side / name
        path.parent.mkdir(parents=True)
        path.write_text(render(hostile(parse(FUSION.read_text()), extra)))
    file = tmp_path / "hostile.html"
    sides = [str(tmp_path / side) for side in ("old<b>", "new</title>")]
    assert main(["diff", *sides, "--html", str(file)]) == 1
    capsys.readouterr()
    chromium.get(file.as_uri())
    chromium.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    chromium.find_element(By.CSS_SELECTOR, ".case > summary").send_keys("e")
    assert chromium.title == f"{sides[0]} → {sides[1]} · kernelsnap diff"
    assert chromium.find_element(By.CSS_SELECTOR, ".case .name").get_attribute("textContent") == name
    assert chromium.find_element(By.CSS_SELECTOR, ".facts code").get_attribute("textContent") == golden.case
    parts = [one.get_attribute("textContent") for one in chromium.find_elements(By.CSS_SELECTOR, ".part summary b")]
    assert golden.plan[0].steps[0].name in parts
    lines = [one.get_attribute("textContent") for one in chromium.find_elements(By.CSS_SELECTOR, ".diff td")]
    assert f'    tmp9 = "{HOSTILE}</script><svg onload=window.hit=3>"' in lines
    assert f"hint = {HOSTILE}!" in lines
    titles = [one.get_attribute("textContent") for one in chromium.find_elements(By.CSS_SELECTOR, "svg .box title")]
    assert any(f"only here: {HOSTILE} = sum" in title for title in titles)
    assert chromium.execute_script("return window.hit") is None
    assert (
        chromium.execute_script("return document.querySelectorAll('img, .body script, [onload], [onerror]').length")
        == 0
    )
    assert watched.complaints() == []
    assert watched.requested() == {file.as_uri()}
    chromium.get(f"{file.as_uri()}#q={quote(HOSTILE)}&at={quote(HOSTILE)}")
    search = chromium.find_element(By.ID, "q")
    WebDriverWait(chromium, 20).until(lambda _: search.get_attribute("value") == HOSTILE)
    assert chromium.execute_script("return window.hit") is None


def test_the_policy_runs_no_script_but_the_page_s_own(chromium, watched, tmp_path, capsys):
    """Were a text not escaped, it would still not run, and nothing would be asked for."""
    attack = """
        <script>window.hit = 1</script><script src="https://example.com/x.js"></script>
        <img src="https://example.com/x.png" onerror="window.hit = 2"><svg onload="window.hit = 3"></svg>
        <iframe src="https://example.com/"></iframe><link rel="stylesheet" href="https://example.com/x.css">
    """
    other = tmp_path / "other.ksnap"
    other.write_text(FUSION.read_text().replace("tl_math.cos", "libdevice.cos"))
    file = tmp_path / "attacked.html"
    assert main(["diff", str(FUSION), str(other), "--html", str(file)]) == 1
    capsys.readouterr()
    file.write_text(file.read_text().replace("<main>", f"<main>{attack}"))
    chromium.get(file.as_uri())
    assert chromium.execute_script("return document.images.length") == 1
    assert chromium.find_element(By.ID, "count").text == "1 golden in 1 group"
    assert chromium.execute_script("return window.hit") is None
    complaints = watched.complaints()
    assert complaints
    assert all("Content Security Policy" in complaint for complaint in complaints)
    assert watched.requested() == {file.as_uri()}


def test_the_page_of_costs_shows_names_as_text_and_fits_a_narrow_window(chromium, watched, tmp_path, capsys):
    golden = parse(FUSION.read_text())
    path = tmp_path / "x.h100.ksnap"
    path.write_text(render(replace(golden, case=f"tests/x.py::test[{HOSTILE}]")))
    file = tmp_path / "costs.html"
    assert main(["cost", str(path), "--html", str(file)]) == 0
    capsys.readouterr()
    chromium.get(file.as_uri())
    assert chromium.title == "kernelsnap cost"
    assert HOSTILE in chromium.find_element(By.CSS_SELECTOR, "td:last-child code").get_attribute("textContent")
    assert HOSTILE in chromium.find_element(By.CSS_SELECTOR, "circle title").get_attribute("textContent")
    assert chromium.execute_script("return window.hit") is None
    assert watched.complaints() == []
    assert [url for url in watched.requested() if not url.startswith(("file:", "data:"))] == []
    size = chromium.get_window_size()
    try:
        chromium.set_window_size(400, 800)
        wide = chromium.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
        assert not wide
    finally:
        chromium.set_window_size(size["width"], size["height"])
