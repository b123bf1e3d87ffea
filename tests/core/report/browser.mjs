// node browser.mjs OUT PAGE...: opens each page in headless Chromium and prints, as JSON, what it found there.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const require = createRequire(path.join(process.cwd(), "package.json"));
const puppeteer = require("puppeteer-core"), axe = require.resolve("axe-core/axe.min.js");
const [out, ...pages] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const found = {};
for (const file of pages) {
  const name = path.basename(file, ".html"), page = await browser.newPage(), address = pathToFileURL(file).href;
  const said = { console: [], requests: [], violations: {} };
  page.on("console", one => said.console.push(`${one.type()}: ${one.text()}`));
  page.on("pageerror", one => said.console.push(`error: ${one.message}`));
  page.on("request", one => { if (one.url() !== address && !one.url().startsWith("data:")) said.requests.push(one.url()); });
  await page.setViewport({ width: 1200, height: 900, deviceScaleFactor: 1 });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(address, { waitUntil: "load" });
    if (scheme === "light") {
      // Interactive: the script at the end of the page has run. Loaded: pictures are there, too. Medians of five.
      const times = [];
      for (let n = 0; n < 5; n++) {
        await page.goto(address, { waitUntil: "load" });
        times.push(await page.evaluate(() => { const one = performance.getEntriesByType("navigation")[0]; return [one.domContentLoadedEventEnd, one.loadEventEnd]; }));
      }
      [said.interactive, said.loaded] = [0, 1].map(n => times.map(one => one[n]).sort((a, b) => a - b)[2]);
      await page.focus("th button");
      const before = await page.evaluate(() => performance.now());
      await page.keyboard.press("Enter");
      said.sorted = await page.evaluate(() => document.activeElement.closest("th").getAttribute("aria-sort"));
      said.keyToSorted = await page.evaluate(() => performance.now()) - before;
      await page.goto(address, { waitUntil: "load" });
      said.tables = await page.evaluate(() => [...document.querySelectorAll("main table")].map(table =>
        [...table.rows].map(row => [...row.cells].map(cell => cell.firstChild?.nodeName === "BUTTON" ? cell.firstChild.firstChild.textContent : cell.textContent))));
      await page.keyboard.press("Tab");
      said.firstTab = await page.evaluate(() => document.activeElement.textContent);
    }
    await page.screenshot({ path: path.join(out, `${name}-${scheme}.png`), fullPage: true });
    // The page's own policy lets no script in but its own: axe is put in with the policy aside, in a page of its own.
    const looked = await browser.newPage();
    await looked.setBypassCSP(true);
    await looked.setViewport({ width: 1200, height: 900 });
    await looked.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await looked.goto(address, { waitUntil: "load" });
    await looked.addScriptTag({ path: axe });
    const result = await looked.evaluate(() => axe.run(document));
    said.violations[scheme] = result.violations.map(one => ({ id: one.id, impact: one.impact, nodes: one.nodes.length, first: one.nodes[0].html.slice(0, 200) }));
    said.passes = result.passes.length;
    await looked.close();
  }
  await page.pdf({ path: path.join(out, `${name}.pdf`), format: "A4" });
  await page.emulateMediaType("print");
  await page.setViewport({ width: 794, height: 1123 });
  await page.screenshot({ path: path.join(out, `${name}-print.png`), fullPage: true });
  await page.close();
  found[name] = said;
}
await browser.close();
console.log(JSON.stringify(found));
