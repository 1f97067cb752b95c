# SPDX-License-Identifier: Apache-2.0
"""One module for each part: measure(lab) returns a Result."""
