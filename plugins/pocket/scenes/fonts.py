"""The fonts that the training pictures are drawn with: free Debian packages, found on this machine or asked for.

Only rendered pixels enter the training, and only weights are shipped: no font is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Where fonts are looked for, after the folders named in the environment variable GRAFTWORK_FONTS.
FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/share/texmf/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
)


@dataclass(frozen=True)
class FontPackage:
    """One Debian package and the files of it that are used."""

    name: str
    licence: str
    files: tuple[str, ...]
    hand: bool = False
    """Whether its letters look written by hand."""


@dataclass(frozen=True)
class FontFile:
    """A font file found on this machine."""

    path: Path
    hand: bool


class MissingFontsError(RuntimeError):
    """Some fonts of the recipe are not installed; the message holds the command that installs them."""


FONT_PACKAGES: tuple[FontPackage, ...] = (
    FontPackage("fonts-breip", "OFL-1.0", ("Breip.ttf",), hand=True),
    FontPackage(
        "fonts-bwht",
        "OFL-1.1",
        tuple(f"BecauseWe{verb}-Regular.otf" for verb in ("Build", "Connect", "Create", "Learn", "Mentor", "Organize")),
        hand=True,
    ),
    FontPackage("fonts-dkg-handwriting", "OFL-1.1", ("dkg.ttf", "dkgBd.ttf"), hand=True),
    FontPackage("fonts-ecolier-court", "OFL-1.1", ("Ecolier-court.ttf",), hand=True),
    FontPackage("fonts-humor-sans", "OFL-1.1", ("Humor-Sans.ttf",), hand=True),
    FontPackage("fonts-kristi", "OFL-1.1", ("Kristi.ttf",), hand=True),
    FontPackage("fonts-rufscript", "GPL-3 with font exception", ("Rufscript010.ttf",), hand=True),
    FontPackage("fonts-sjfonts", "GPL with font exception", ("Delphine.ttf", "SteveHand.ttf"), hand=True),
    FontPackage("fonts-kiloji", "BSD-3-Clause", ("kiloji.ttf", "kiloji_b.ttf"), hand=True),
    FontPackage("fonts-seto", "OFL-1.1", ("setofont.ttf",), hand=True),
    FontPackage("fonts-yusei-magic", "OFL-1.1", ("YuseiMagic-Regular.ttf",), hand=True),
    FontPackage("fonts-dancingscript", "OFL-1.1", ("DancingScript-Regular.otf",), hand=True),
    FontPackage("fonts-kaushanscript", "OFL-1.1", ("KaushanScript-Regular.otf",), hand=True),
    FontPackage("fonts-comic-neue", "OFL-1.1", ("ComicNeue-Regular.otf", "ComicNeue-Bold.otf"), hand=True),
    FontPackage("fonts-tomsontalks", "OFL-1.1", ("TomsonTalks.ttf",), hand=True),
    FontPackage("fonts-tlwg-purisa-ttf", "GPL-2+ with font exception", ("Purisa.ttf", "Purisa-Bold.ttf"), hand=True),
    FontPackage("fonts-dustin", "GPL-2", ("Domestic_Manners.ttf",), hand=True),
    FontPackage("fonts-smc-chilanka", "OFL-1.1", ("Chilanka-Regular.otf",), hand=True),
    FontPackage("fonts-summersby", "GPL-2+", ("summersby.ttf",)),
    FontPackage("fonts-georgewilliams", "OFL-1.1", ("CaslonRoman.ttf", "GWMonospace.ttf")),
    FontPackage(
        "fonts-dejavu-core",
        "Bitstream Vera",
        ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf"),
    ),
    FontPackage("fonts-dejavu-extra", "Bitstream Vera", ("DejaVuSans-ExtraLight.ttf", "DejaVuSerif-Italic.ttf")),
    FontPackage(
        "fonts-liberation",
        "OFL-1.1 / GPL-2 with exceptions",
        (
            "LiberationMono-Regular.ttf",
            "LiberationSans-Regular.ttf",
            "LiberationSans-Bold.ttf",
            "LiberationSerif-Regular.ttf",
            "LiberationSerif-Italic.ttf",
        ),
    ),
    FontPackage("fonts-freefont-ttf", "GPL-3+ with font exception", ("FreeMono.ttf", "FreeSerif.ttf", "FreeSans.ttf")),
    FontPackage("fonts-lato", "OFL-1.1", ("Lato-Regular.ttf", "Lato-Black.ttf", "Lato-Light.ttf", "Lato-Italic.ttf")),
    FontPackage("fonts-cantarell", "OFL-1.1", ("Cantarell-Regular.otf", "Cantarell-ExtraBold.otf")),
    FontPackage("fonts-comfortaa", "OFL-1.1", ("Comfortaa-Regular.ttf", "Comfortaa-Bold.ttf")),
    FontPackage("fonts-quicksand", "OFL-1.1", ("Quicksand-Regular.ttf", "Quicksand-Bold.ttf")),
    FontPackage("fonts-ocr-b", "permissive", ("OCRB.otf",)),
    FontPackage("fonts-jura", "OFL-1.1 or GPL-3", ("Jura-Regular.otf",)),
    FontPackage("fonts-play", "OFL-1.1", ("Play-Regular.otf",)),
    FontPackage("fonts-inconsolata", "OFL-1.0", ("Inconsolata.otf",)),
    FontPackage("fonts-courier-prime", "OFL-1.1", ("Courier Prime.otf", "Courier Prime Bold.otf")),
    FontPackage("fonts-tuffy", "public domain", ("Tuffy.ttf", "Tuffy_Bold.ttf")),
    FontPackage("fonts-opendyslexic", "Bitstream Vera / CC-BY-3.0", ("OpenDyslexic-Regular.otf",)),
    FontPackage("fonts-sil-andika", "OFL-1.1", ("Andika-Regular.ttf", "Andika-Bold.ttf")),
    FontPackage("fonts-junction", "OFL-1.1", ("Junction.otf",)),
    FontPackage("fonts-dosis", "OFL-1.1", ("Dosis-Book.otf", "Dosis-ExtraBold.otf")),
    FontPackage("fonts-national-park", "OFL-1.1", ("NationalPark-Regular.otf", "NationalPark-Heavy.otf")),
    FontPackage("fonts-gnutypewriter", "OFL-1.1", ("GNUTypewriter.ttf",)),
    FontPackage("fonts-routed-gothic", "OFL-1.1", ("routed-gothic.ttf", "routed-gothic-narrow.ttf")),
    FontPackage("fonts-osifont", "GPL/LGPL with font exception", ("osifont.ttf",)),
    FontPackage("fonts-averia-sans-gwf", "OFL-1.1", ("AveriaSansGWF-Regular.ttf", "AveriaSansGWF-Bold.ttf")),
    FontPackage("fonts-motoya-l-maruberi", "Apache-2.0", ("MTLmr3m.ttf",)),
    FontPackage("fonts-stick", "OFL-1.1", ("Stick-Regular.ttf",)),
    FontPackage("fonts-essays1743", "OFL-1.1 or LGPL-2.1", ("Essays1743.ttf",)),
    FontPackage(
        "fonts-texgyre",
        "GUST Font License",
        (
            "texgyreadventor-regular.otf",
            "texgyrebonum-regular.otf",
            "texgyrepagella-italic.otf",
            "texgyreschola-bold.otf",
            "texgyrechorus-mediumitalic.otf",
        ),
    ),
)


def install_command(packages: Iterable[str]) -> str:
    """The shell command that installs ``packages`` on Debian or Ubuntu."""
    return "apt-get install -y --no-install-recommends " + " ".join(sorted(packages))


def installed_font_paths() -> dict[str, Path]:
    """Every font file below the searched folders, by file name."""
    named = [folder for folder in os.environ.get("GRAFTWORK_FONTS", "").split(os.pathsep) if folder]
    roots = [Path(folder).expanduser() for folder in (*named, *FONT_FOLDERS)]
    paths: dict[str, Path] = {}
    for path in (path for root in roots if root.is_dir() for path in sorted(root.rglob("*.?tf"))):
        paths.setdefault(path.name, path)
    return paths


def find_fonts(packages: Iterable[FontPackage] = FONT_PACKAGES) -> list[FontFile]:
    """All font files of ``packages``, in their order; ``MissingFontsError`` names every package that lacks one."""
    installed = installed_font_paths()
    found: list[FontFile] = []
    missing: dict[str, list[str]] = {}
    for package in packages:
        for name in package.files:
            if name in installed:
                found.append(FontFile(installed[name], package.hand))
            else:
                missing.setdefault(package.name, []).append(name)
    if missing:
        lines = [f"  {package}: {', '.join(names)}" for package, names in missing.items()]
        raise MissingFontsError(
            "the pocket CLIP's training pictures need fonts that are not on this machine:\n"
            + "\n".join(lines)
            + f"\nInstall them with\n  apt-get update && {install_command(missing)}\n"
            "or point GRAFTWORK_FONTS at a folder that holds these files."
        )
    return found
