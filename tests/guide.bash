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

# all_used HEADING: $guide has no other commands there than what is in $used, as HEADING|NAME
all_used() {
    local name count=0
    while read -r name; do
        count=$((count + 1))
        printf '%s\n' "${used[@]}" | grep -qxF "$1|$name" || {
            echo "nobody ran: $1, $name"
            return 1
        }
    done < <(awk -v heading="## $1" '/^## / { here = $0 == heading }
        here && $1 ~ /^```[a-z]/ { print substr($1, 4) }' "$guide")
    [ "$count" -gt 0 ]
}
