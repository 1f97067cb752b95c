# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: processes, captures, servers, the kernel's own listings."""
