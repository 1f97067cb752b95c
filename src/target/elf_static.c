/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For static programs, where the archive of libelf lacks what it calls: Debian 13's was made
 * without the two functions that set up and clear the search tree of elf_getdata_rawchunk(). Nobody
 * calls that here, so the trees stay as elf_begin() has made them, empty.
 */
void eu_search_tree_init(void *tree, void *compare);
void eu_search_tree_fini(void *tree, void *free_node);

void eu_search_tree_init(void *tree, void *compare)
{
	(void)tree;
	(void)compare;
}

void eu_search_tree_fini(void *tree, void *free_node)
{
	(void)tree;
	(void)free_node;
}
