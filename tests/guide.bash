# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The commands of a guide, as they stand in it: below a heading, in the block of that name.

# guide_commands FILE HEADING NAME
guide_commands() {
    awk -v heading="## $2" -v open="\`\`\`$3" '
        /^## / { here = $0 == heading }
        here && $1 == "```" { shown = 0 }
        shown { sub(/^ +/, ""); print }
        here && $1 == open { shown = 1 }' "$1"
}
