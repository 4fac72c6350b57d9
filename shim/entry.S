// The two wrappers that must leave no frame of their own behind when they go on into libc: vfork returns twice to its caller, and
// syscall(2) may be asked for just that.

	.text
	.globl	vfork
	.type	vfork, @function
	.globl	__vfork
	.type	__vfork, @function
	.p2align 4
vfork:
__vfork:
	.cfi_startproc
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	weft_shim_before_vfork
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	vfork, .-vfork
	.size	__vfork, .-__vfork

	.globl	syscall
	.type	syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	mov	8(%rsp), %rax		// the seventh argument
	sub	$24, %rsp		// a patch::call_frame, from its end, and 8 bytes that align the stack
	.cfi_adjust_cfa_offset 24
	push	%rdi
	push	$0			// no vector register holds anything
	push	%rax
	push	%r9
	push	%r8
	push	%rcx
	push	%rdx
	push	%rsi
	.cfi_adjust_cfa_offset 64
	mov	%rsp, %rdi
	call	weft_shim_syscall
	test	%rdx, %rdx
	jnz	1f
	add	$88, %rsp
	.cfi_adjust_cfa_offset -88
	ret
	.cfi_adjust_cfa_offset 88
1:	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%r8
	pop	%r9
	pop	%r11
	pop	%r11
	pop	%rdi
	add	$24, %rsp
	.cfi_adjust_cfa_offset -88
	jmp	*%rax
	.cfi_endproc
	.size	syscall, .-syscall

// Exactly these bytes: unwinders and debuggers know a signal frame by them (no unwind entry may stand here). They look at pc - 1 first.
	.globl	weft_shim_sigreturn
	.hidden	weft_shim_sigreturn
	.type	weft_shim_sigreturn, @function
	.p2align 4
	nop
weft_shim_sigreturn:
	mov	$15, %rax
	syscall
	.size	weft_shim_sigreturn, .-weft_shim_sigreturn

	.section .note.GNU-stack,"",@progbits
