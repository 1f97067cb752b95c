# SPDX-License-Identifier: Apache-2.0
"""What the parts share: the processes they start, how they take turns, what they report."""
