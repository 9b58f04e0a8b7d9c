#! /usr/bin/env bash
# As an editor on Windows saves it.
if true; then
    export MODE=live
fi
