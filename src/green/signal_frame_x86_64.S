// Handlers of signals on another stack. x86-64 only.

	.text

// rdi number, rsi info, rdx context, rcx handler, r8 top of the stack: calls the handler there, and comes back.
	.globl	weft_green_on_stack
	.hidden	weft_green_on_stack
	.type	weft_green_on_stack, @function
	.p2align 4
weft_green_on_stack:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	mov	%r8, %rsp
	and	$-16, %rsp
	call	*%rcx
	leave
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc
	.size	weft_green_on_stack, .-weft_green_on_stack

// rdi frame of the kernel's form, rsi number, rdx info, rcx context: goes on in the frame, as the kernel does when it calls a handler.
	.globl	weft_green_move
	.hidden	weft_green_move
	.type	weft_green_move, @function
	.p2align 4
weft_green_move:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rdi, %rsp
	mov	%esi, %edi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	jmp	weft_green_moved
	.cfi_endproc
	.size	weft_green_move, .-weft_green_move

	.section .note.GNU-stack,"",@progbits
