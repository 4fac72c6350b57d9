# weft_switch_park and weft_switch_yield: the functions that switch fibers, as inline code enters them
# (include/weft/detail/switch_call.hpp). The call in here is made and returned from at one place for all fibers, so its return
# is always predicted; the way back to the caller is an indirect jump.
	.text

	.globl weft_switch_park
	.type weft_switch_park, @function
	.p2align 4
weft_switch_park:
	.cfi_startproc
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	call weft_switch_park_plain
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	pop %rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp *%rcx
	.cfi_endproc
	.size weft_switch_park, .-weft_switch_park

	.globl weft_switch_yield
	.type weft_switch_yield, @function
	.p2align 4
weft_switch_yield:
	.cfi_startproc
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	call weft_switch_yield_plain
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	pop %rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp *%rcx
	.cfi_endproc
	.size weft_switch_yield, .-weft_switch_yield

# The first resumption of a new stack (switch_x86_64.hpp): enters its fcontext, handing on who was left. What jump_fcontext saves
# here is never used.
	.globl weft_first_entry
	.hidden weft_first_entry
	.type weft_first_entry, @function
	.p2align 4
weft_first_entry:
	.cfi_startproc
	.cfi_undefined %rip
	mov 16(%rsp), %rdi
	mov %rax, %rsi
	xor %ebp, %ebp
	push $0
	jmp jump_fcontext
	.cfi_endproc
	.size weft_first_entry, .-weft_first_entry

	.section .note.GNU-stack, "", @progbits
