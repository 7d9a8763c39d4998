/** Every entry in the menu of a message, in the order in which people see them. Adding one: a file here and a line below. */
import { editMenu } from './edit.ts'
import { inputMenu } from './input.ts'
import type { Menu } from './menu.ts'
import { recipeMenu } from './recipe.ts'

export const allMenus: readonly Menu[] = [editMenu, inputMenu, recipeMenu]
